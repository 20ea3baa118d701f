"""Videos from elsewhere become units of a run store, to be scored and shown like its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.video.decode import VideoDamaged
from harness.config.manifest import read_manifest
from harness.core.errors import ConfigError
from harness.store.imported import Row, check_row, import_video, plan_import, whole_durations_s
from harness.store.run_store import RunStore


@dataclass(frozen=True)
class OwnVideos:
    """The videos to import.

    Attributes:
        folder: folder with the videos.
        manifest: which video shows which prompt; see `harness.config.manifest`.
        row: labels of the row that they become.
        command: the command line, noted in the run store.
    """

    folder: Path
    manifest: Path
    row: Row
    command: Sequence[str]


def import_videos(
    own: OwnVideos, store: RunStore, durations_s: Sequence[float] | None
) -> dict[str, str]:
    """Make each video a unit of `store`.

    Args:
        own: the videos.
        store: where they go; one that exists keeps what it has.
        durations_s: seconds that will be scored; the whole videos by default.

    Returns:
        Why videos were left out, by their file names.

    Raises:
        LongtakeError: a manifest that doesn't fit, a row the store has already, or not one video
            that can be read.
    """
    manifest = read_manifest(own.folder, own.manifest)
    check_row(store, own.row)
    left_out = {
        str(path.relative_to(own.folder)): "not in the manifest" for path in manifest.unlisted
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
        raise ConfigError(f"No video of {own.folder} could be read: {reason}")
    labels = {"backbone": {"label": own.row.backbone}, "method": {"label": own.row.method}}
    durations = list(durations_s) if durations_s else whole_durations_s(records)
    store.add_command(units, list(own.command), [labels | {"duration": durations}])
    return left_out
