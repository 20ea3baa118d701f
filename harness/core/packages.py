"""The command that installs the package of a missing module."""

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
    """Return the pip command that installs `module`, through an extra of Longtake if one has it."""
    top = module.partition(".")[0]
    package = _PACKAGES.get(top, top)
    for extra in _extras_with(package):
        return f'pip install "longtake[{extra}]"'
    return f"pip install {package}"


def _extras_with(package: str) -> list[str]:
    """List the extras, except the one for development, that require a package."""
    try:
        requirements = requires("longtake") or []
    except PackageNotFoundError:  # a checkout that is not installed
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
