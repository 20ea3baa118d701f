"""Import of our top-level packages from the folder of `harness`, not from the working folder.

Many working folders contain a folder called `eval` or `methods`, and `python -m harness` puts the
working folder first on sys.path. Importing `harness` therefore installs a finder that takes
precedence over sys.path.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OWN_PACKAGES = ("backbones", "eval", "methods", "reports", "slurm")
ROOT = Path(__file__).parents[2]


class OwnPackagesFinder(MetaPathFinder):
    """Finds our top-level packages in the folder that holds `harness`, and no others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of one of our packages; None leaves any other to the next finder.

        Raises:
            ModuleNotFoundError: our package is not where this installation should have it.
        """
        if fullname not in OWN_PACKAGES:
            return None
        if not (ROOT / fullname / "__init__.py").is_file():
            raise ModuleNotFoundError(
                f"The installation of Longtake in {ROOT} lacks its package {fullname!r}; "
                "install longtake again.",
                name=fullname,
            )
        return PathFinder.find_spec(fullname, [str(ROOT)])


def install_finder() -> None:
    """Make imports of our packages independent of sys.path.

    Raises:
        ImportError: another module of such a name is imported already.
    """
    for name in OWN_PACKAGES:
        module = sys.modules.get(name)
        if module is not None and str(ROOT / name) not in map(str, _folders(module)):
            found = ", ".join(map(str, _folders(module))) or "an unknown place"
            raise ImportError(
                f"A module {name!r} from {found} is already imported, but Longtake needs its own "
                f"package {name!r} in {ROOT}. Import harness before it, or rename it."
            )
    if not any(isinstance(finder, OwnPackagesFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, OwnPackagesFinder())


def _folders(module: ModuleType) -> list[Path]:
    folders = list(getattr(module, "__path__", []))
    if not folders and getattr(module, "__file__", None):
        folders = [str(module.__file__)]
    return [Path(folder).absolute() for folder in folders]
