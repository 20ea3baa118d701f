"""The command that installs the package of a module that is missing."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

# Modules of our dependencies whose package has another name.
_PACKAGES = {
    "cv2": "opencv-python-headless",
    "hydra": "hydra-core",
    "open_clip": "open_clip_torch",
    "PIL": "pillow",
    "yaml": "pyyaml",
}


def install_command(module: str) -> str:
    """Return the pip command that brings `module`, by an extra of Longtake where one does."""
    top = module.partition(".")[0]
    package = _PACKAGES.get(top, top)
    for extra in _extras_with(package):
        return f'pip install "longtake[{extra}]"'
    return f"pip install {package}"


def _extras_with(package: str) -> list[str]:
    """Names of the extras that require a package and are not for development."""
    try:
        requirements = requires("longtake") or []
    except PackageNotFoundError:  # a checkout that was never installed
        return []
    found = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"""extra == ['"](\w+)['"]""", requirement)
        if name and extra and _normal(name[0]) == _normal(package) and extra[1] != "dev":
            found.append(extra[1])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
