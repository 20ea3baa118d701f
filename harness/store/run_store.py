"""The run store: one folder per sweep, files as the only truth.

A unit is done when its record exists; the record is written last. Unfinished units keep chunks of
clean latents, from which a later run goes on. Several workers may write the same unit: every file
takes its place by an atomic rename, and the same unit has the same content.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.core.environment import code_revision, package_versions
from harness.core.errors import LongtakeError
from harness.core.files import locked, remove_leftovers, replacing, write_json, write_text
from harness.store.record import Record, VideoFile, now

if TYPE_CHECKING:
    from torch import Tensor

    from harness.store.imported import ImportedUnit
    from harness.store.units import Unit


@dataclass(frozen=True)
class Scored:
    """What a file of scores covers.

    Attributes:
        video_sha256: the video that was scored.
        prompt: evaluation prompt.
        durations_frames: video frames of each scored duration.
        not_set_up: metrics that are null because something wasn't installed.
        networks: keys of the networks that were used, by name.
    """

    video_sha256: str
    prompt: str
    durations_frames: dict[str, int]
    not_set_up: tuple[str, ...]
    networks: dict[str, str]


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

    def begun_units(self) -> set[str]:
        """Ids of all units that have a folder: asking once is cheaper than looking for each."""
        try:
            return {path.name for path in (self.root / "units").iterdir()}
        except FileNotFoundError:
            return set()

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
        self.clear_failure(record.unit_id)
        shutil.rmtree(folder / "partial", ignore_errors=True)

    def discard_record(self, record: Record) -> None:
        """Take back that a unit is done, if its video really isn't the recorded one.

        Another worker may have replaced both meanwhile; a new record stays.
        """
        folder = self.unit_dir(record.unit_id)
        path = folder / record.video.file
        intact = path.is_file() and VideoFile.of(path).sha256 == record.video.sha256
        if not intact and self.record(record.unit_id) == record:
            (folder / "record.json").unlink(missing_ok=True)

    def remove_leftovers(self, unit_id: str) -> None:
        """Remove temporary files of processes of this machine that died while writing."""
        remove_leftovers(self.unit_dir(unit_id))

    @property
    def workspace(self) -> Path:
        """Folder of what scoring keeps for later: encoded clips, outputs of networks."""
        return self.root / "scoring"

    def scores_path(self, suite: str, unit_id: str) -> Path:
        """Where the scores of a unit belong."""
        return self.root / "metrics" / suite / f"{unit_id}.json"

    def scored(self, suite: str, version: str, unit_id: str) -> Scored | None:
        """What was scored of a unit; None if not by this version, or the file can't be read."""
        try:
            scores = json.loads(self.scores_path(suite, unit_id).read_text())
            if scores["suite_version"] != version:
                return None
            durations = scores["durations"].items()
            return Scored(
                scores["video_sha256"],
                scores["prompt"],
                {key: value["num_frames"] for key, value in durations},
                tuple(scores["not_set_up"]),
                dict(scores["networks"]),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def failure_path(self, item: str) -> Path:
        """Where it stands why an item failed: a unit being made, or "suite:unit" being scored."""
        entry, colon, unit_id = item.rpartition(":")
        suite = f".{entry.rpartition(':')[2]}" if colon else ""
        return self.unit_dir(unit_id) / f"failure{suite}.json"

    def clear_failure(self, item: str) -> None:
        """Forget why an earlier attempt at an item failed."""
        self.failure_path(item).unlink(missing_ok=True)

    def write_failure(self, item: str, error: str, details: str) -> None:
        """Record why an item failed: one line, and the traceback or what the worker printed."""
        failure = {"error": error, "traceback": details, "time": now()}
        write_json(self.failure_path(item), failure)

    def save_chunk(self, unit_id: str, first_frame: int, latents: Tensor, trace: str) -> None:
        """Save clean latents of an unfinished unit, with the plans they were made by."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        path = self.unit_dir(unit_id) / "partial" / f"{first_frame:06d}.safetensors"
        for attempt in (1, 2):
            try:
                with replacing(path) as temporary:
                    save_file({"latents": latents.contiguous()}, temporary, {"trace": trace})
                return
            except (FileNotFoundError, SafetensorError):
                # Another worker may just have finished this unit and removed the folder.
                if attempt == 2 or path.parent.is_dir():
                    raise

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
        self,
        units: Sequence[Unit | ImportedUnit],
        argv: Sequence[str],
        configs: Sequence[dict[str, Any]],
    ) -> None:
        """Note a command and its units; repeating a command only renews its time."""
        command = {"time": now(), "argv": list(argv), "configs": list(configs)}
        with locked(self.root / ".lock"):
            header = self._header() or {"name": self.root.name, "created": now(), "commands": []}
            header["revision"] = code_revision()
            header["versions"] = package_versions()
            others = [other for other in header["commands"] if other["argv"] != command["argv"]]
            header["commands"] = [*others, command]
            write_text(self.root / "sweep.yaml", yaml.safe_dump(header, sort_keys=False))
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

    def labels(self) -> dict[str, str]:
        """How to call each unit of this sweep, by its id.

        Raises:
            LongtakeError: the folder is no run store, or units.jsonl is damaged.
        """
        return {
            line["unit_id"]: f"{line['backbone']} | {line['method']} | {line['prompt_id']} "
            f"seed {line['seed']}"
            for line in self.unit_lines()
        }

    def durations_s(self) -> list[float]:
        """All durations that the commands of this sweep asked for, in seconds."""
        commands = (self._header() or {"commands": []})["commands"]
        configs = [config for command in commands for config in command["configs"]]
        return sorted({float(d) for config in configs for d in config["duration"]})

    def _header(self) -> dict[str, Any] | None:
        """The content of sweep.yaml; None if it is missing or damaged."""
        try:
            header = yaml.safe_load((self.root / "sweep.yaml").read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            return None
        return header if isinstance(header, dict) and header.get("commands") else None

    def _add_units(self, units: Sequence[Unit | ImportedUnit]) -> None:
        """Add lines; a row that now means something else, as after an edit, starts anew."""
        new = [unit.line for unit in units]
        now_means = {(line["backbone"], line["method"]): line["row_id"] for line in new}
        lines = {
            _cell(line): line
            for line in self._readable_lines()
            if now_means.get((line["backbone"], line["method"]), line["row_id"]) == line["row_id"]
        }
        lines |= {_cell(line): line for line in new}
        text = "".join(f"{json.dumps(line)}\n" for line in lines.values())
        write_text(self.root / "units.jsonl", text)

    def _readable_lines(self) -> list[dict[str, Any]]:
        path = self.root / "units.jsonl"
        lines = []
        for text in path.read_text(errors="replace").splitlines() if path.is_file() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                line = json.loads(text)
                _cell(line)
                lines.append(line)  # a damaged line is written anew by the sweep it belongs to
        return lines


def _cell(line: dict[str, Any]) -> tuple[str, str, str, int, str]:
    """What a line of units.jsonl is about: one video of one row."""
    return line["backbone"], line["method"], line["prompt_id"], line["seed"], line["row_id"]


def _read_latents(path: Path) -> tuple[Tensor, list[str]] | None:
    """Latents and trace lines of one file; None if it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor("latents"), file.metadata()["trace"].splitlines()
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
