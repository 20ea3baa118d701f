"""Videos from elsewhere as units of a run store, beside the generated ones.

The video is linked, or copied where the file system can't, and gets a record like any other. Its
identity is its content, prompt and seed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eval.video.decode import VideoDamaged, VideoInfo, count_frames, probe
from harness.config.manifest import ListedVideo
from harness.core.errors import LongtakeError
from harness.core.files import replacing
from harness.store.record import SCHEMA, Record, VideoFile, now
from harness.store.run_store import RunStore
from harness.store.units import IDENTITY_VERSION, digest

# A video of F latent frames has 4 F - 3 frames, so "30 s" at 16 fps are 477 frames.
_MAY_LACK_S = Fraction(1, 4)


@dataclass(frozen=True)
class ImportedUnit:
    """One imported video.

    Attributes:
        id: hash of its identity.
        line: what units.jsonl says of it.
    """

    id: str
    line: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Labels of the row that imported videos stand in."""

    backbone: str
    method: str
    prompt_set: str

    @property
    def id(self) -> str:
        """Never that of a generated row."""
        return digest({"imported": [self.backbone, self.method]})


def check_row(store: RunStore, row: Row) -> None:
    """Keep imported videos out of rows that were generated here.

    Raises:
        LongtakeError: the store has such a row.
    """
    if not (store.root / "units.jsonl").is_file():
        return
    for line in store.unit_lines():
        same = (line["backbone"], line["method"]) == (row.backbone, row.method)
        if same and line["row_id"] != row.id:
            raise LongtakeError(
                f"{store.root} already has a generated row {row.backbone!r} with {row.method!r}; "
                "give the imported one other labels: backbone=NAME method=NAME."
            )


def plan_import(videos: Sequence[ListedVideo], row: Row) -> list[tuple[ListedVideo, ImportedUnit]]:
    """The unit of each video; a file that is not there gets one too, to fail under its name."""
    planned = []
    for video in videos:
        content = VideoFile.of(video.path).sha256 if video.path.is_file() else str(video.path)
        identity = _identity(content, video)
        unit_id = digest(identity)
        line = {
            "unit_id": unit_id,
            "backbone": row.backbone,
            "method": row.method,
            "prompt_id": f"{row.prompt_set}/{video.id}",
            "prompt": video.prompt,
            "evaluation_prompt": video.evaluation_prompt,
            "seed": video.seed,
            "row_id": row.id,
        }
        planned.append((video, ImportedUnit(unit_id, line)))
    return planned


def import_video(store: RunStore, video: ListedVideo, unit: ImportedUnit, row: Row) -> Record:
    """Put a video into the store, unless it is there already.

    Raises:
        VideoDamaged: the file is missing, is no video, or holds no frame.
    """
    folder = store.unit_dir(unit.id)
    record = store.record(unit.id)
    if record is not None and record.video.matches(folder):
        return record
    if not video.path.is_file():
        raise VideoDamaged(f"{video.path}: no such file.")
    info = probe(video.path)
    num_frames = count_frames(video.path)
    if num_frames == 0:
        raise VideoDamaged(f"{video.path}: the video has no frames.")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"video{video.path.suffix.lower()}"
    with replacing(target) as fresh:
        try:
            os.link(video.path.resolve(), fresh)
        except OSError:
            shutil.copy2(video.path, fresh)
    record = _record(video, unit, row, info, num_frames, VideoFile.of(target))
    store.write_record(record)
    return record


def whole_durations_s(records: Sequence[Record]) -> list[float]:
    """The lengths of imported videos: whole seconds where a quarter of a second is missing."""
    lengths = set()
    for record in records:
        exact = Fraction(record.num_frames) / Fraction(record.facts["fps"])
        rounded = round(exact)
        near = rounded > 0 and rounded - _MAY_LACK_S <= exact <= rounded
        lengths.add(float(rounded) if near else float(exact))
    return sorted(lengths)


def _identity(content: str, video: ListedVideo) -> dict[str, Any]:
    return {
        "version": IDENTITY_VERSION,
        "imported": {"video_sha256": content},
        "prompt": video.prompt,
        "seed": video.seed,
    }


def _record(
    video: ListedVideo,
    unit: ImportedUnit,
    row: Row,
    info: VideoInfo,
    num_frames: int,
    file: VideoFile,
) -> Record:
    return Record(
        schema=SCHEMA,
        unit_id=unit.id,
        identity=_identity(file.sha256, video),
        prompt={
            "id": video.id,
            "text": video.prompt,
            "evaluation_text": video.evaluation_prompt,
            "set": row.prompt_set,
        },
        seed=video.seed,
        num_latents=num_frames,
        num_frames=num_frames,
        duration_s=float(num_frames / info.fps),
        fps=int(info.fps),
        width=info.width,
        height=info.height,
        context_budget_latents=0,
        video=file,
        timings_s={},
        memory_mib={"peak_host": None, "peak_device": None},
        environment={"gpu": None, "host_cpu": "imported"},
        finished=now(),
        facts={"imported": True, "fps": str(info.fps), "source": video.path.name},
    )
