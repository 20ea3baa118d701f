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
    extra = _extra_with(package)
    return f'pip install "longtake[{extra}]"' if extra else f"pip install {package}"


def _extra_with(package: str) -> str | None:
    """Return the extra that brings a package; None if no extra or Longtake itself requires it."""
    try:
        requirements = requires("longtake") or []
    except PackageNotFoundError:  # a checkout that is not installed
        return None
    extras = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        if name and _normal(name[0]) == _normal(package):
            extra = re.search(r"""extra == ['"](\w+)['"]""", requirement)
            extras.append(extra[1] if extra else None)
    # An extra may only pin what Longtake requires itself, and its other packages aren't needed.
    return None if None in extras else next((name for name in extras if name != "dev"), None)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
