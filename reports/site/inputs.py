"""The files that a report is made from, by their times and sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.store.paths import StorePaths
from reports.site.unit_digests import DIGEST_BYTES, UnitDigests


def unit_stamps(folders: Sequence[Path]) -> UnitDigests:
    """Return digests that change when a file of the unit is made, changed or removed.

    Args:
        folders: the run stores; the files of a unit in all of them count.
    """
    return UnitDigests.of(_unit_stamps(folders))


def _unit_stamps(folders: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for number, folder in enumerate(folders):
        paths = StorePaths(Path(folder))
        for unit in _entries(paths.units_dir):
            stamps = sorted(_stamp(file) for file in _entries(unit.path))
            yield unit.name, _digest(f"{number}", *stamps).digest()
        for suite in _entries(paths.metrics_dir):
            for file in _entries(suite.path):
                stamp = _digest(f"{number} {suite.name} {_stamp(file)}").digest()
                yield file.name.removesuffix(".json"), stamp


def fingerprint(folders: Sequence[Path], units: UnitDigests) -> str:
    """Return a hash that changes when a file of the report appears, changes or disappears.

    Args:
        folders: the run stores.
        units: of `unit_stamps`.
    """
    stores = [StorePaths(Path(folder)) for folder in folders]
    named = [p for s in stores for p in (s.header_path, s.unit_lines_path, s.experiment_path)]
    found = _digest(*map(file_stamp, named))
    found.update(units.ids)
    found.update(units.digests)
    return found.hexdigest()


def file_stamp(path: Path) -> str:
    """Return time and size of a file as a text; another one where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return "none"
    return f"{stat.st_mtime_ns} {stat.st_size}"


def digest(*texts: str) -> str:
    """Return a short hash of texts."""
    return _digest(*texts).hexdigest()


def _digest(*texts: str) -> hashlib.blake2b:
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=DIGEST_BYTES)


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        stat = entry.stat()
    except OSError:  # removed in the meantime
        return f"{entry.name} none"
    return f"{entry.name} {stat.st_mtime_ns} {stat.st_size}"


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return
