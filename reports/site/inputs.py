"""The files that a report is made from, by their times and sizes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.store.paths import StorePaths


def unit_stamps(folders: Sequence[Path]) -> dict[str, str]:
    """Return for each unit a text that changes when one of its files is made, changed or removed.

    Args:
        folders: the run stores; the files of a unit in all of them count.
    """
    found: dict[str, list[str]] = {}
    for number, folder in enumerate(folders):
        paths = StorePaths(Path(folder))
        for unit in _entries(paths.units_dir):
            found.setdefault(unit.name, []).extend(
                f"{number} {_stamp(file)}" for file in _entries(unit.path)
            )
        for suite in _entries(paths.metrics_dir):
            for file in _entries(suite.path):
                unit_id = file.name.removesuffix(".json")
                found.setdefault(unit_id, []).append(f"{number} {suite.name} {_stamp(file)}")
    return {unit_id: digest(*sorted(stamps)) for unit_id, stamps in found.items()}


def fingerprint(folders: Sequence[Path], units: Mapping[str, str]) -> str:
    """Return a hash that changes when a file of the report appears, changes or disappears.

    Args:
        folders: the run stores.
        units: of `unit_stamps`.
    """
    stores = [StorePaths(Path(folder)) for folder in folders]
    named = [p for s in stores for p in (s.header_path, s.unit_lines_path, s.experiment_path)]
    stamps = map(file_stamp, named)
    return digest(*stamps, *(f"{unit_id} {stamp}" for unit_id, stamp in sorted(units.items())))


def file_stamp(path: Path) -> str:
    """Return time and size of a file as a text; another one where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return "none"
    return f"{stat.st_mtime_ns} {stat.st_size}"


def digest(*texts: str) -> str:
    """Return a short hash of texts."""
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=12).hexdigest()


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
