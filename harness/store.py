"""The run store: one folder per sweep, files as the only truth.

A unit is done when its record exists; the record is written last. Unfinished units keep chunks of
clean latents, from which a later run goes on. Several workers may write the same unit: every file
takes its place by an atomic rename, and the same unit has the same content.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import LongtakeError
from harness.files import replacing, write_json, write_text

if TYPE_CHECKING:
    from torch import Tensor

    from harness.units import Unit

SCHEMA = 1


@dataclass(frozen=True)
class VideoFile:
    """The finished video, as it was when the record was written."""

    file: str
    sha256: str
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> VideoFile:
        """Describe a file."""
        stat = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.name, digest, stat.st_size, stat.st_mtime_ns)

    def matches(self, folder: Path) -> bool:
        """Whether the file is still that video; hashed only if it was touched since."""
        path = folder / self.file
        if not path.is_file() or path.stat().st_size != self.bytes:
            return False
        return path.stat().st_mtime_ns == self.mtime_ns or VideoFile.of(path).sha256 == self.sha256


@dataclass(frozen=True)
class Record:
    """What is known of a finished unit; written beside its video.

    Attributes:
        schema: version of this layout.
        unit_id: the unit.
        identity: what the id is the hash of.
        prompt: {"id", "text", "evaluation_text", "set"}.
        seed: seed of all noise.
        num_latents: latent frames made.
        num_frames: video frames.
        duration_s: length asked for, in seconds.
        fps: video frames per second.
        width: pixels.
        height: pixels.
        context_budget_latents: frames attention could see, the block included.
        video: the video file.
        timings_s: see docs/records.md.
        memory_mib: peak host and device memory.
        environment: machine and versions.
        finished: time of writing, UTC.
    """

    schema: int
    unit_id: str
    identity: dict[str, Any]
    prompt: dict[str, str]
    seed: int
    num_latents: int
    num_frames: int
    duration_s: float
    fps: int
    width: int
    height: int
    context_budget_latents: int
    video: VideoFile
    timings_s: dict[str, float]
    memory_mib: dict[str, float | None]
    environment: dict[str, Any]
    finished: str

    def frames_of(self, duration_s: float) -> int | None:
        """Video frames of the first `duration_s` seconds; None if the video is shorter."""
        latents = round(duration_s * self.num_latents / self.duration_s)
        frames_per_latent = (self.num_frames - 1) // max(1, self.num_latents - 1)
        return 1 + frames_per_latent * (latents - 1) if 0 < latents <= self.num_latents else None


class RunStore:
    """Reads and writes one sweep's folder.

    Args:
        root: the folder, created when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def unit_dir(self, unit_id: str) -> Path:
        """Folder of one unit."""
        return self.root / "units" / unit_id

    def record(self, unit_id: str) -> Record | None:
        """The record of a finished unit; None if there is none or it can't be read."""
        try:
            fields = json.loads((self.unit_dir(unit_id) / "record.json").read_text())
            return Record(**fields | {"video": VideoFile(**fields["video"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def finished(self, unit: Unit) -> Record | None:
        """The record of a unit that is done: long enough, its video as recorded."""
        record = self.record(unit.id)
        if record is None or record.num_latents < unit.num_latents:
            return None
        return record if record.video.matches(self.unit_dir(unit.id)) else None

    def write_record(self, record: Record) -> None:
        """Declare a unit done; everything else of it has been written."""
        folder = self.unit_dir(record.unit_id)
        write_json(folder / "record.json", asdict(record))
        (folder / "failure.json").unlink(missing_ok=True)
        shutil.rmtree(folder / "partial", ignore_errors=True)

    def discard_record(self, unit_id: str) -> None:
        """Take back that a unit is done, because its video turned out to be damaged."""
        (self.unit_dir(unit_id) / "record.json").unlink(missing_ok=True)

    def scores_path(self, suite: str, unit_id: str) -> Path:
        """Where the scores of a unit belong."""
        return self.root / "metrics" / suite / f"{unit_id}.json"

    def scored(self, suite: str, version: str, unit_id: str) -> tuple[str, dict[str, int]] | None:
        """Hash of the scored video and the frames of each scored duration.

        None if the unit wasn't scored by this version of the suite, or the file can't be read.
        """
        try:
            scores = json.loads(self.scores_path(suite, unit_id).read_text())
            if scores["suite_version"] != version:
                return None
            durations = scores["durations"].items()
            return scores["video_sha256"], {key: value["num_frames"] for key, value in durations}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write_failure(self, unit_id: str, error: BaseException) -> None:
        """Record why a unit failed, with its traceback."""
        failure = {
            "error": f"{type(error).__name__}: {error}",
            "traceback": "".join(traceback.format_exception(error)),
            "time": now(),
        }
        write_json(self.unit_dir(unit_id) / "failure.json", failure)

    def save_chunk(self, unit_id: str, first_frame: int, latents: Tensor, trace: str) -> None:
        """Save clean latents of an unfinished unit, with the plans they were made by."""
        from safetensors.torch import save_file

        path = self.unit_dir(unit_id) / "partial" / f"{first_frame:06d}.safetensors"
        with replacing(path) as temporary:
            save_file({"latents": latents.contiguous()}, temporary, {"trace": trace})

    def save_latents(self, unit_id: str, latents: Tensor, trace: str) -> None:
        """Save all latents and plans of a unit that is about to be recorded."""
        from safetensors.torch import save_file

        folder = self.unit_dir(unit_id)
        write_text(folder / "trace.jsonl", trace)
        with replacing(folder / "latents.safetensors") as temporary:
            save_file({"latents": latents.contiguous()}, temporary, {"trace": trace})

    def saved_progress(self, unit_id: str) -> tuple[Tensor, list[str]] | None:
        """Clean latents made so far and their trace lines, whole unit or chunks; None if nothing.

        A damaged file ends what can be used: what follows it is made anew.
        """
        import torch

        folder = self.unit_dir(unit_id)
        chunks = sorted((folder / "partial").glob("[0-9]*.safetensors"))
        latents: list[Tensor] = []
        trace: list[str] = []
        num_latents = 0
        for path in (folder / "latents.safetensors", *chunks):
            if path in chunks and int(path.stem) < num_latents:
                continue  # the whole file or a longer chunk already holds it
            if path in chunks and int(path.stem) > num_latents:
                break
            part = _read_latents(path)
            if part is None:
                continue
            latents.append(part[0])
            trace += part[1]
            num_latents += len(part[0])
        return (torch.cat(latents), trace) if latents else None

    def add_command(
        self, units: Sequence[Unit], argv: Sequence[str], configs: Sequence[dict[str, Any]]
    ) -> None:
        """Note a command and its units; repeating a command only renews its time."""
        import yaml

        from harness.environment import code_revision, package_versions

        path = self.root / "sweep.yaml"
        header = yaml.safe_load(path.read_text()) if path.is_file() else None
        header = header or {"name": self.root.name, "created": now(), "commands": []}
        header["revision"] = code_revision()
        header["versions"] = package_versions()
        others = [command for command in header["commands"] if command["argv"] != list(argv)]
        command = {"time": now(), "argv": list(argv), "configs": list(configs)}
        header["commands"] = [*others, command]
        write_text(path, yaml.safe_dump(header, sort_keys=False))
        self._add_units(units)

    def unit_lines(self) -> list[dict[str, Any]]:
        """All units ever asked for in this sweep, one per row they appear in.

        Raises:
            LongtakeError: the folder is no run store, or units.jsonl is damaged.
        """
        path = self.root / "units.jsonl"
        if not path.is_file():
            raise LongtakeError(f"{self.root} is not a run store (it has no units.jsonl).")
        try:
            return [json.loads(line) for line in path.read_text().splitlines()]
        except ValueError as error:
            raise LongtakeError(
                f"{path} is damaged ({error}); run the sweep command again."
            ) from error

    def durations_s(self) -> list[float]:
        """All durations that the commands of this sweep asked for, in seconds."""
        import yaml

        header = yaml.safe_load((self.root / "sweep.yaml").read_text())
        configs = [config for command in header["commands"] for config in command["configs"]]
        return sorted({float(d) for config in configs for d in config["duration"]})

    def _add_units(self, units: Iterable[Unit]) -> None:
        lines = self._readable_lines()
        for unit in units:
            line = {
                "unit_id": unit.id,
                "backbone": unit.backbone,
                "method": unit.method,
                "prompt_id": f"{unit.prompt_set}/{unit.prompt_id}",
                "prompt": unit.prompt,
                "evaluation_prompt": unit.evaluation_prompt,
                "seed": unit.seed,
            }
            lines[json.dumps(line)] = None
        write_text(self.root / "units.jsonl", "".join(f"{line}\n" for line in lines))

    def _readable_lines(self) -> dict[str, None]:
        path = self.root / "units.jsonl"
        lines: dict[str, None] = {}
        for line in path.read_text().splitlines() if path.is_file() else ():
            try:
                lines[json.dumps(json.loads(line))] = None
            except ValueError:
                continue  # a damaged line is written anew by the sweep that asked for it
        return lines


def now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_latents(path: Path) -> tuple[Tensor, list[str]] | None:
    """Latents and trace lines of one file; None if it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor("latents"), file.metadata()["trace"].splitlines()
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
