"""A run store as pandas data frames."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.store.frames import Sweep


class Store:
    """One run store, or several merged by unit id, as pandas data frames.

    The files are read when a frame is first used and not again: open the store once more to see
    what was added. Every frame but `units` begins with the columns that say which video a line is
    about: unit_id, backbone, method, prompt_set, prompt_id, prompt, seed. A unit that stands in two
    rows of the leaderboard has its lines twice, under both labels.

    Attributes:
        folder: folder of the store, of the first one if there are several.
    """

    def __init__(self, *folders: Path) -> None:
        self.folder = folders[0]
        self._folders = folders

    def __repr__(self) -> str:
        return f"Store({', '.join(repr(str(folder)) for folder in self._folders)})"

    @cached_property
    def units(self) -> pd.DataFrame:
        """Every unit in every row: its labels, its status, and what its record says.

        status is done, running, failed or missing, and reason says why it is not done. Sizes of
        the video, peak memory in MiB, arguments of backbone and method, and facts such as weights
        and licence are empty for a unit without a video. `folder` holds the files of the unit.
        """
        from harness.store.columns import plain_texts
        from harness.store.frames import as_dicts
        from harness.store.outcomes import TEXTS

        units = plain_texts(self._read.units, TEXTS)
        keys = as_dicts(units[["unit_id", "source"]])
        folders = [str(self._read.unit_folder(key)) for key in keys]
        return units.drop(columns="source").assign(folder=folders)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores by video, suite, metric and duration.

        Columns: suite, metric, duration_s, value, the reason where the value is NaN, and frozen:
        whether the video stands still over this duration, so that tables leave it out.
        """
        return self._labelled(self._read.scores)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Scores clip by clip, of the longest duration.

        Columns: suite, metric, start_s, end_s, value, and first_similarity, that of the clip's
        feature to the first clip's.
        """
        return self._labelled(self._read.curves)

    @cached_property
    def timings(self) -> pd.DataFrame:
        """Seconds by stage of generating a video: stage, seconds; docs/records.md lists stages."""
        return self._labelled(self._read.timings)

    @cached_property
    def traces(self) -> pd.DataFrame:
        """Past latent frames that each block attended to, in attention order.

        Columns: block, first_frame and start_s of the block; frame and frame_s of the attended
        frame, its role (sink, memory or local), temporal RoPE position, and the similarity score of
        a retrieved frame, NaN where there is none. Frames count latent frames of the video.
        """
        from harness.store.trace import attended_frames

        return self._labelled(attended_frames(self._read))

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each file that could not be read and is missing from the frames."""
        return self._read.warnings

    @cached_property
    def _read(self) -> Sweep:
        from harness.store.frames import load_sweeps

        return load_sweeps(self._folders)

    def _labelled(self, frame: pd.DataFrame) -> pd.DataFrame:
        from harness.store.columns import plain_texts
        from harness.store.frames import with_labels

        return plain_texts(with_labels(frame, self._read.units))


def open_store(folder: str | Path, *more: str | Path) -> Store:
    """Open a run store to read its results as pandas data frames.

    Args:
        folder: the run store, or its name in runs/.
        more: other run stores, to be merged with it by unit id.

    Raises:
        UnknownName: there is no such folder; names the nearest one beside it.
        StoreError: a folder is not a run store.
    """
    from harness.store.folders import require_sweep

    found = [find_folder(each) for each in (folder, *more)]
    for each in found:
        require_sweep(each)
    return Store(*found)


def find_folder(store: str | Path) -> Path:
    """Return the folder of a run store, also looked for in runs/.

    Raises:
        UnknownName: there is no such folder.
    """
    from harness.store.folders import existing_store

    return existing_store(Path(store)).absolute()
