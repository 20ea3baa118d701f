"""Files of a run store that the page shows: linked, copied, or left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av

from harness.core.disk import disk_error
from harness.core.machine import num_cores
from harness.core.typed_files import without_digests
from harness.store.frames import Sweep, as_dicts
from harness.store.paths import RECORD, TRACE, StorePaths
from reports.site.data_files import update_text
from reports.site.filmstrips import write_strip
from reports.site.progress import Advance, silent
from reports.site.published import Hide
from reports.site.web_video import copy_playable, why_not_playable


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

    def prepare(self, advance: Advance = silent) -> dict[str, UnitAssets]:
        """Create missing filmstrips and copies for all finished units; files are named by hash.

        Args:
            advance: see `Advance`.

        Returns:
            The addresses by unit id.
        """
        done = self._sweep.units[self._sweep.units["status"] == "done"]
        units = as_dicts(done.drop_duplicates("unit_id"))
        found: dict[str, UnitAssets] = {}
        # Decoding releases the interpreter lock, so threads run in parallel.
        with ThreadPoolExecutor(max_workers=min(8, num_cores())) as pool:
            for count, (unit, assets) in enumerate(
                zip(units, pool.map(self._prepare, units), strict=True), start=1
            ):
                found[unit["unit_id"]] = assets
                advance("videos", count, len(units))
        self._remove_outdated(units)
        return found

    def _prepare(self, unit: dict[str, Any]) -> UnitAssets:
        if self._mode is Assets.none:
            return UnitAssets(None, None, None, None, {})
        folder = self._sweep.unit_folder(unit)
        video = folder / unit["video"]
        strip = self._out / "strips" / f"{unit['video_sha256'][:20]}.jpg"
        # An existing strip proves that the video can be decoded; opening thousands takes minutes.
        if not strip.is_file() and not self.attempt(video, partial(write_strip, video, strip)):
            return self._addresses(unit, folder, None, None)
        shown: Path | None = video
        if self._mode is Assets.copy:
            shown = self._out / "videos" / f"{unit['video_sha256'][:20]}.mp4"
            if not shown.is_file() and not self.attempt(
                video, partial(copy_playable, video, shown)
            ):
                shown = None
        elif unit["imported"] and not self.attempt(video, partial(self._check_playable, video)):
            shown = None
        return self._addresses(unit, folder, shown, strip)

    def _addresses(
        self, unit: dict[str, Any], folder: Path, video: Path | None, strip: Path | None
    ) -> UnitAssets:
        files = {name: folder / name for name in (RECORD, TRACE)}
        scores = {suite: self._scores_file(suite, unit) for suite in self._sweep.metrics}
        if self._mode is Assets.copy:
            copies = self._out / "files" / unit["unit_id"]
            files = {name: self._copy(path, copies / name) for name, path in files.items()}
            scores = {
                suite: self._copy(path, copies / f"{suite}.json") for suite, path in scores.items()
            }
            for path in set(copies.glob("*")).difference(files.values(), scores.values()):
                path.unlink(missing_ok=True)  # scores of a suite that is no longer there
        present = {name: self.address_of(path) for name, path in files.items() if path.is_file()}
        return UnitAssets(
            video=None if video is None else self.address_of(video),
            strip=None if strip is None else self.address_of(strip),
            record=present.get(RECORD),
            trace=present.get(TRACE),
            scores={
                suite: self.address_of(path) for suite, path in scores.items() if path.is_file()
            },
        )

    def _scores_file(self, suite: str, unit: dict[str, Any]) -> Path:
        """Return the file of a unit's scores, which may be in another store than its video."""
        stores = [StorePaths(source.folder) for source in self._sweep.sources]
        own = stores.pop(unit["source"])
        paths = [store.scores_path(suite, unit["unit_id"]) for store in (own, *stores)]
        return next((path for path in paths if path.is_file()), paths[0])

    def _copy(self, source: Path, target: Path) -> Path:
        """Copy a file of text; without one that can be read there is no copy either."""
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            target.unlink(missing_ok=True)
            if not isinstance(error, FileNotFoundError):
                reason = getattr(error, "strerror", None) or error
                self._warn(source, f"cannot be copied: {reason}.")
            return target
        shown = self._hide(text)
        # What is written elsewhere than the original no longer has its digest.
        update_text(target, text if shown == text else without_digests(shown))
        return target

    def attempt(
        self, video: Path, action: Callable[[], None], failure: str = "cannot be shown"
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

    def _remove_outdated(self, units: Sequence[dict[str, Any]]) -> None:
        """Remove strips, videos and files of an earlier report that this one does not show."""
        shown = {unit["video_sha256"][:20] for unit in units}
        copied = self._mode is Assets.copy
        strips = set() if self._mode is Assets.none else shown
        for name, kept in (("strips", strips), ("videos", shown if copied else set())):
            for path in (self._out / name).glob("[0-9a-f]" * 20 + ".*"):
                if path.stem not in kept:
                    path.unlink(missing_ok=True)
        kept = {unit["unit_id"] for unit in units} if copied else set()
        # The pages of the earlier report tell which folders are its own.
        earlier = {path.stem for path in (self._out / "data" / "units").glob("*.js")}
        for unit_id in earlier - kept:
            if (folder := self._out / "files" / unit_id).is_dir():
                shutil.rmtree(folder)
