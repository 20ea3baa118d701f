"""Videos from elsewhere as units of a run store, beside the generated ones.

The video is linked, or copied where the file system cannot link, and gets a record like any other.
Its identity consists of its content, prompt and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eval.video.decode import VideoDamaged, check_whole, count_frames, probe
from harness.config.manifest import ListedVideo
from harness.core.errors import StoreError
from harness.core.files import copy_file, replacing
from harness.store.lines import UnitLine
from harness.store.record import Origin, Prompt, Record, VideoFile, now
from harness.store.run_store import RunStore
from harness.store.units import IDENTITY_VERSION, digest

# A video of F latent frames has 4 F - 3 frames, so "30 s" at 16 fps has 477 frames.
_MAY_LACK_S = Fraction(1, 4)
_ONE_LENGTH = 1.15
"""Videos whose lengths differ by less belong to one row, at the shortest of their lengths."""


@dataclass(frozen=True)
class PlannedImport:
    """A video to import, and the unit it becomes."""

    video: ListedVideo
    line: UnitLine


@dataclass(frozen=True)
class Row:
    """Labels of the row of imported videos."""

    backbone: str
    method: str
    prompt_set: str

    @property
    def id(self) -> str:
        """Identity of the row, which differs from that of every generated row."""
        return digest({"imported": [self.backbone, self.method]})


def check_row(store: RunStore, row: Row) -> None:
    """Refuse labels of a row that was generated in this store.

    Raises:
        StoreError: the store has such a row.
    """
    if not store.unit_lines_path.is_file():
        return
    for line in store.unit_lines():
        if line.row == (row.backbone, row.method) and line.row_id != row.id:
            raise StoreError(
                f"{store.root} already has a generated row {row.backbone!r} with {row.method!r}; "
                "give the imported one other labels: backbone=NAME method=NAME."
            )


def plan_import(videos: Sequence[ListedVideo], row: Row) -> list[PlannedImport]:
    """Plan a unit for each video, even for a missing file, so that its failure is recorded."""
    planned = []
    for video in videos:
        content = VideoFile.of(video.path).sha256 if video.path.is_file() else str(video.path)
        line = UnitLine(
            unit_id=digest(_identity(content, video)),
            backbone=row.backbone,
            method=row.method,
            prompt_id=f"{row.prompt_set}/{video.id}",
            prompt=video.prompt,
            evaluation_prompt=video.evaluation_prompt,
            seed=video.seed,
            row_id=row.id,
        )
        planned.append(PlannedImport(video, line))
    return planned


def import_video(store: RunStore, planned: PlannedImport, row: Row) -> Record:
    """Import a video into the store, unless it is there already.

    Raises:
        VideoDamaged: the file is missing, is not a video, was cut short, or holds no frame or less
            than one a second.
    """
    video, unit_id = planned.video, planned.line.unit_id
    folder = store.unit_dir(unit_id)
    record = store.record(unit_id)
    if record is not None and record.video.matches(folder):
        return record
    if not video.path.is_file():
        raise VideoDamaged(f"{video.path}: no such file.")
    info = probe(video.path)
    if info.fps < 1:
        raise VideoDamaged(
            f"{video.path}: {float(info.fps):.3g} frames a second; expected at least 1."
        )
    check_whole(video.path)
    num_frames = count_frames(video.path)
    if num_frames == 0:
        raise VideoDamaged(f"{video.path}: the video has no frames.")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"video{video.path.suffix.lower()}"
    with replacing(target) as fresh:
        copy_file(video.path, fresh)
    file = VideoFile.of(target)
    record = Record(
        unit_id=unit_id,
        identity=_identity(file.sha256, video),
        prompt=Prompt(row.prompt_set, video.id, video.prompt, video.evaluation_prompt),
        seed=video.seed,
        num_frames=num_frames,
        duration_s=float(num_frames / info.fps),
        fps=int(info.fps),
        width=info.width,
        height=info.height,
        video=file,
        finished=now(),
        origin=Origin(video.path.name, str(info.fps)),
    )
    store.write_record(record)
    return record


def whole_durations_s(records: Sequence[Record]) -> list[float]:
    """Return the lengths that rows of imported videos are scored at.

    A length is rounded up if at most a quarter second is missing. Videos of 29.6 and 29.8 s, or of
    4 and 4.5 s, are one row: all are scored over the shortest of such lengths.
    """
    lengths = set()
    for record in records:
        assert record.origin is not None
        exact = Fraction(record.num_frames) / Fraction(record.origin.fps)
        rounded = round(exact)
        near = rounded > 0 and rounded - _MAY_LACK_S <= exact <= rounded
        lengths.add(float(rounded) if near else float(exact))
    rows: list[float] = []
    for length in sorted(lengths):
        if not rows or length > rows[-1] * _ONE_LENGTH:
            rows.append(length)
    return rows


def _identity(content: str, video: ListedVideo) -> dict[str, Any]:
    return {
        "version": IDENTITY_VERSION,
        "imported": {"video_sha256": content},
        "prompt": video.prompt,
        "seed": video.seed,
    }
