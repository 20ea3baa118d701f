"""Videos from elsewhere become units of a run store, to be scored and shown like its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from eval.video.decode import VideoDamaged
from harness.config.manifest import Manifest
from harness.core.errors import ConfigError
from harness.store.imported import Row, check_row, import_video, plan_import, whole_durations_s
from harness.store.record import Record
from harness.store.run_store import RunStore


@dataclass(frozen=True)
class OwnVideos:
    """The videos to import.

    Attributes:
        manifest: the videos and their prompts.
        row: labels of the row that they become.
        command: the command line, noted in the run store.
    """

    manifest: Manifest
    row: Row
    command: Sequence[str]


@dataclass(frozen=True)
class ImportedVideos:
    """The outcome of an import.

    Attributes:
        records: one for every video that can be read.
        left_out: why the others were left out, by their file names.
        notes: a line for what is dropped: damaged parts of the store, clips that VBench cut.
    """

    records: tuple[Record, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...] = ()


def import_videos(
    own: OwnVideos, store: RunStore, durations_s: Sequence[float] | None
) -> ImportedVideos:
    """Make each video a unit of `store`.

    Args:
        own: the videos.
        store: where they go; one that exists keeps what it has.
        durations_s: seconds that will be scored; the whole videos by default.

    Raises:
        StoreError: the store has a generated row of these labels.
        ConfigError: not one video can be read.
    """
    manifest = own.manifest
    check_row(store, own.row)
    left_out = {
        str(path.relative_to(manifest.folder)): f"not in the manifest {manifest.file}"
        for path in manifest.unlisted
    }
    records, units = [], []
    for planned in plan_import(manifest.videos, own.row):
        units.append(planned)
        try:
            records.append(import_video(store, planned, own.row))
        except VideoDamaged as error:
            left_out[planned.video.path.name] = str(error)
            store.write_failure(planned.line.unit_id, str(error), "")
    if not records:
        reason = next(iter(left_out.values()))
        raise ConfigError(f"No video of {manifest.folder} could be read: {reason}")
    labels = {"backbone": {"label": own.row.backbone}, "method": {"label": own.row.method}}
    lengths_s = list(durations_s) if durations_s else whole_durations_s(records)
    damaged = store.add_command(units, list(own.command), [labels | {"duration": lengths_s}])
    if manifest.num_of_vbench:
        damaged.append(
            f"left out: {manifest.num_of_vbench} clips in folders that VBench-Long wrote, such as "
            "split_clip"
        )
    if not durations_s and len(lengths_s) > 1:
        damaged.append(
            f"{len(lengths_s)} lengths, a row each; duration=whole makes one row of all videos"
        )
    return ImportedVideos(tuple(records), left_out, (*damaged, *_mixed(records)))


def _mixed(records: Sequence[Record]) -> list[str]:
    """Return a line on videos of several picture sizes or frame rates; none where all are alike."""
    sizes = sorted({(record.width, record.height) for record in records})
    rates = sorted({Fraction(record.origin.fps) for record in records if record.origin})
    names = {
        "picture sizes": [f"{width}x{height}" for width, height in sizes],
        "frame rates": [f"{float(rate):.4g}" for rate in rates],
    }
    found = [f"{len(n)} {what} ({', '.join(n)})" for what, n in names.items() if len(n) > 1]
    if not found:
        return []
    return [f"{' and '.join(found)} in one row: its numbers depend on them; import each by itself"]
