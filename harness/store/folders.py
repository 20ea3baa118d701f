"""The folder of a run store: finding it by name, and checking that it is one."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import StoreError, UnknownName, unknown_name
from harness.store.paths import StorePaths


def existing_store(folder: Path) -> Path:
    """Return the folder of the run store called `folder`, also looked for in runs/.

    Raises:
        UnknownName: there is no such folder; names the nearest one beside it, for a plain name
            the nearest one in runs/.
    """
    runs = Path("runs")
    found = [path for path in (folder, runs / folder) if path.is_dir()]
    # An ordinary folder of the same name doesn't hide the sweep.
    for path in (*filter(_is_sweep, found), *found):
        return path
    place = runs if folder.name == str(folder) else folder.parent
    siblings = [path.name for path in place.glob("*") if _is_sweep(path)]
    if not siblings:
        raise UnknownName(
            f"Unknown sweep {folder.name!r}: there is none in {place.absolute()}. "
            "python -m harness sweep name=NAME makes one; elsewhere it is found by its path."
        )
    raise unknown_name(f"sweep in {place}", folder.name, siblings)


def _is_sweep(folder: Path) -> bool:
    return StorePaths(folder).unit_lines_path.is_file()


def require_sweep(folder: Path) -> None:
    """Check that `folder` is a sweep of a run store.

    Raises:
        UnknownName: there is no such folder; names the nearest sweep beside it.
        StoreError: a file is missing.
    """
    if not folder.is_dir():
        siblings = folder.parent.glob("*/sweep.yaml") if folder.parent.is_dir() else ()
        raise unknown_name("sweep", folder.name, [header.parent.name for header in siblings])
    paths = StorePaths(folder)
    for path in (paths.header_path, paths.unit_lines_path):
        if not path.is_file():
            raise StoreError(f"{folder} is not a sweep: expected a file {path.name} in it.")
