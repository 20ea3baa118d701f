"""Files of a run store that the page shows: linked, copied, or left out."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import numpy as np
import pandas as pd

from harness.core.disk import disk_error
from harness.core.machine import num_cores
from harness.core.typed_files import without_digests
from harness.store.columns import index_of, places
from harness.store.frames import Sweep, as_dicts
from harness.store.paths import RECORD, TRACE, StorePaths
from reports.site.data_files import update_text
from reports.site.filmstrips import write_strip
from reports.site.progress import Advance, silent
from reports.site.published import Hide
from reports.site.unit_digests import outdated_stems, sorted_names
from reports.site.web_video import copy_playable, why_not_playable

_NEEDED = ["unit_id", "source", "video", "video_sha256", "imported"]
_AT_ONCE = 2000
_OWN_STEM = re.compile("[0-9a-f]{20}")


class Assets(StrEnum):
    """Treatment of videos and result files in a report."""

    link = "link"  # stay in the run store: fast; report and store must stay together
    copy = "copy"  # are copied into the report folder, which any static host can serve; no link
    # leaves it and no text names a folder of this machine
    none = "none"  # are left out: numbers only


@dataclass(frozen=True)
class UnitAssets:
    """Addresses of a unit's files as seen from the page; None for a missing one.

    Attributes:
        scores: by suite.
    """

    video: str | None
    strip: str | None
    record: str | None
    trace: str | None
    scores: dict[str, str]


@dataclass(frozen=True)
class FoundFiles:
    """Flags of the files of a unit that a page shows.

    Attributes:
        stores: by suite the index of the store that has its scores; -1 for none.
    """

    video: bool
    strip: bool
    record: bool
    trace: bool
    stores: tuple[int, ...]


class AssetWriter:
    """Links or copies the files of units into the folder of a page.

    Args:
        sweep: the loaded run stores.
        out: the folder of the page.
        mode: see `Assets`.
        hide: applied to the texts of files that are copied.
    """

    def __init__(self, sweep: Sweep, out: Path, mode: Assets, hide: Hide = str) -> None:
        self._sweep = sweep
        self._out = out
        self._mode = mode
        self._hide = hide
        self.warnings: list[str] = []
        self._folders: dict[str, str] = {}

    def address_of(self, path: Path) -> str:
        """Return the address of a file as seen from the page."""
        # Texts, as objects of paths take most of the time; a relative path takes even longer.
        folder, name = os.path.split(path)
        above, parent = os.path.split(folder)
        if above not in self._folders:
            relative = Path(os.path.relpath(above, self._out)).as_posix()
            self._folders[above] = "" if relative == "." else f"{relative}/"
        return quote(f"{self._folders[above]}{parent}/{name}")

    def link_to(self, path: Path) -> str | None:
        """Return the address of a file of the run store; None on a page without links to it."""
        return self.address_of(path) if self._mode is Assets.link else None

    def prepare(self, advance: Advance = silent) -> Addresses:
        """Create missing filmstrips and copies for all finished units; files are named by hash.

        Args:
            advance: see `Advance`.

        Returns:
            The addresses of their files.
        """
        done = self._sweep.units["status"] == "done"
        units = self._sweep.units.loc[done, _NEEDED].drop_duplicates("unit_id")
        addresses = Addresses(self, self._sweep)
        # Decoding releases the interpreter lock, so threads run in parallel.
        with ThreadPoolExecutor(max_workers=min(8, num_cores())) as pool:
            for first in range(0, len(units), _AT_ONCE):
                some = units.iloc[first : first + _AT_ONCE]
                found, lines = [], as_dicts(some)
                # Looking for files takes less than handing a unit to a thread.
                each = map if self._are_made(lines) else pool.map
                for one in each(self._prepare, lines):
                    found.append(one)
                    advance("videos", first + len(found), len(units))
                addresses.add(some["unit_id"], found)
        self._remove_outdated(units)
        return addresses

    def _are_made(self, units: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether nothing has to be decoded or copied for units."""
        if self._mode is Assets.copy or any(unit["imported"] for unit in units):
            return False
        strips = os.path.join(self._out, "strips")  # noqa: PTH118 - a path each takes longer
        return self._mode is Assets.none or all(
            os.path.isfile(f"{strips}/{unit['video_sha256'][:20]}.jpg")  # noqa: PTH113
            for unit in units
        )

    def _prepare(self, unit: dict[str, Any]) -> FoundFiles:
        if self._mode is Assets.none:
            return FoundFiles(False, False, False, False, (-1,) * len(self._sweep.metrics))
        video = self._sweep.unit_folder(unit) / unit["video"]
        strip = self._out / "strips" / f"{unit['video_sha256'][:20]}.jpg"
        if self._mode is Assets.link and not self.attempt(video, video.stat):
            return self._find(unit, has_video=False, has_strip=False)
        # An existing strip proves that the video can be decoded; opening thousands takes minutes.
        if not strip.is_file() and not self.attempt(video, partial(write_strip, video, strip)):
            return self._find(unit, has_video=False, has_strip=False)
        has_video = True
        if self._mode is Assets.copy:
            shown = self._out / "videos" / f"{unit['video_sha256'][:20]}.mp4"
            copy = partial(copy_playable, video, shown)
            has_video = shown.is_file() or self.attempt(video, copy)
        elif unit["imported"]:
            has_video = self.attempt(video, partial(self._check_playable, video))
        return self._find(unit, has_video, has_strip=True)

    def _find(self, unit: dict[str, Any], has_video: bool, has_strip: bool) -> FoundFiles:
        """Copy the other files of a unit, if they are copied, and note which there are."""
        folder, unit_id = self._sweep.unit_folder(unit), unit["unit_id"]
        stores = [self._store_of_scores(suite, unit) for suite in self._sweep.metrics]
        if self._mode is Assets.copy:
            copies = self._out / "files" / unit_id
            targets = {copies / name: folder / name for name in (RECORD, TRACE)}
            for suite, store in zip(self._sweep.metrics, stores, strict=True):
                targets[copies / f"{suite}.json"] = self._scores_path(suite, unit_id, max(store, 0))
            for target, source in targets.items():
                self._copy(source, target)
            for path in set(copies.glob("*")).difference(targets):
                path.unlink(missing_ok=True)  # scores of a suite that is no longer there
            for index, suite in enumerate(self._sweep.metrics):
                if not (copies / f"{suite}.json").is_file():
                    stores[index] = -1
            folder = copies
        has_record, has_trace = ((folder / name).is_file() for name in (RECORD, TRACE))
        return FoundFiles(has_video, has_strip, has_record, has_trace, tuple(stores))

    def _store_of_scores(self, suite: str, unit: dict[str, Any]) -> int:
        """Return which store has a unit's scores, perhaps not that of its video; -1 for none."""
        own = unit["source"]
        others = [index for index in range(len(self._sweep.sources)) if index != own]
        stores = (
            i for i in (own, *others) if self._scores_path(suite, unit["unit_id"], i).is_file()
        )
        return next(stores, -1)

    def _scores_path(self, suite: str, unit_id: str, store: int) -> Path:
        return StorePaths(self._sweep.sources[store].folder).scores_path(suite, unit_id)

    def addresses(self, unit: Mapping[str, Any], found: FoundFiles) -> UnitAssets:
        """Return the addresses of the files of a unit.

        Args:
            unit: its line, with unit_id, source, video and video_sha256.
            found: which files there are.
        """
        folder, unit_id = self._sweep.unit_folder(dict(unit)), unit["unit_id"]
        video, copied = folder / unit["video"], self._mode is Assets.copy
        if copied:
            folder = self._out / "files" / unit_id
            video = self._out / "videos" / f"{unit['video_sha256'][:20]}.mp4"

        def address(there: bool, path: Path) -> str | None:
            return self.address_of(path) if there else None

        return UnitAssets(
            video=address(found.video, video),
            strip=address(found.strip, self._out / "strips" / f"{unit['video_sha256'][:20]}.jpg"),
            record=address(found.record, folder / RECORD),
            trace=address(found.trace, folder / TRACE),
            scores={
                suite: self.address_of(
                    folder / f"{suite}.json" if copied else self._scores_path(suite, unit_id, store)
                )
                for suite, store in zip(self._sweep.metrics, found.stores, strict=True)
                if store >= 0
            },
        )

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a file of text; without one that can be read there is no copy either."""
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            target.unlink(missing_ok=True)
            if not isinstance(error, FileNotFoundError):
                reason = getattr(error, "strerror", None) or error
                self._warn(source, f"cannot be copied: {reason}.")
            return
        shown = self._hide(text)
        # What is written elsewhere than the original no longer has its digest.
        update_text(target, text if shown == text else without_digests(shown))

    def attempt(
        self, video: Path, action: Callable[[], object], failure: str = "cannot be shown"
    ) -> bool:
        """Do something with a video; warn and return False if it is missing or damaged.

        Raises:
            DiskError: the disk is to blame, and not the video.
        """
        try:
            action()
        except (av.FFmpegError, OSError, ValueError) as error:
            if disk := disk_error(error, self._out):
                raise disk from error
            reason = "missing" if not video.is_file() else " ".join(str(error).split())
            self._warn(video, f"{failure}: {reason}.")
            return False
        return True

    def _check_playable(self, video: Path) -> None:
        if (reason := why_not_playable(video)) is not None:
            self._warn(video, f"{reason}; assets=copy makes a copy that every browser plays.")

    def _warn(self, path: Path, text: str) -> None:
        self.warnings.append(f"{'/'.join(path.parts[-3:])}: {text}")

    def _remove_outdated(self, units: pd.DataFrame) -> None:
        """Remove strips, videos and files of an earlier report that this one does not show."""
        shown = sorted_names(sha256[:20] for sha256 in units["video_sha256"])
        none = sorted_names([])
        copied = self._mode is Assets.copy
        strips = none if self._mode is Assets.none else shown
        for name, suffix, kept in (
            ("strips", ".jpg", strips),
            ("videos", ".mp4", shown if copied else none),
        ):
            for stem in outdated_stems(self._out / name, suffix, kept):
                if _OWN_STEM.fullmatch(stem):
                    (self._out / name / f"{stem}{suffix}").unlink(missing_ok=True)
        if not (self._out / "files").is_dir():
            return
        kept = sorted_names(units["unit_id"]) if copied else none
        # The pages of the earlier report tell which folders are its own.
        for unit_id in outdated_stems(self._out / "data" / "units", ".js", kept):
            if (folder := self._out / "files" / unit_id).is_dir():
                shutil.rmtree(folder)


class Addresses:
    """The addresses of the files of all units, a few bytes each until they are asked for.

    Args:
        writer: knows the addresses.
        sweep: the units.
    """

    def __init__(self, writer: AssetWriter, sweep: Sweep) -> None:
        self._writer = writer
        self._units = index_of(sweep.units["unit_id"])
        shape = len(self._units), len(sweep.metrics)
        self._is_done, self._flags = np.zeros(shape[0], bool), np.zeros((shape[0], 4), bool)
        self._stores = np.full(shape, -1, np.int16)

    def add(self, unit_ids: pd.Series, found: Sequence[FoundFiles]) -> None:
        """Add finished units, with the files that each has."""
        place = places(unit_ids, self._units)
        self._is_done[place] = True
        self._flags[place] = [(one.video, one.strip, one.record, one.trace) for one in found]
        self._stores[place] = np.array([one.stores for one in found]).reshape(len(place), -1)

    def of(self, units: pd.DataFrame) -> list[UnitAssets | None]:
        """Return those of lines of `Sweep.units`; None for a unit that is not finished."""
        place = places(units["unit_id"], self._units)
        columns = (self._is_done[place], self._flags[place], self._stores[place])
        lines = as_dicts(units[["unit_id", "source", "video", "video_sha256"]])
        return [
            self._writer.addresses(unit, _found(flags, stores)) if is_done else None
            for unit, is_done, flags, stores in zip(
                lines, *(column.tolist() for column in columns), strict=True
            )
        ]

    def with_strip(self, unit_ids: pd.Series) -> np.ndarray:
        """Return whether each unit has a filmstrip."""
        return np.asarray(self._flags[places(unit_ids, self._units), 1])


def _found(flags: Sequence[bool], stores: Sequence[int]) -> FoundFiles:
    video, strip, record, trace = flags
    return FoundFiles(video, strip, record, trace, tuple(stores))
