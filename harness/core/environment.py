"""Facts about the machine and the code, for the records of what was computed here."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.machine import cpu_name
from harness.core.version import __version__

if TYPE_CHECKING:
    import torch

PACKAGES = (
    "torch",
    "numpy",
    "av",
    "hydra-core",
    "submitit",
    "pandas",
    "pyarrow",
    "matplotlib",
    "seaborn",
    "jinja2",
    "onnxruntime",
    "opencv-python-headless",
    "safetensors",
    "vbench",
    "open_clip_torch",
    "transformers",
)


def package_versions() -> dict[str, str | None]:
    """Return the version of every package that may change results; None where not installed."""
    found: dict[str, str | None] = {"longtake": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@cache
def code_revision() -> str | None:
    """Return the git commit of the checkout, with "+changes" if tracked files differ from it.

    None when Longtake runs from an installed copy.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return None
        return run.stdout.strip() if run.returncode == 0 else None

    tracked = git("ls-files", "--error-unmatch", "environment.py")
    revision = git("rev-parse", "HEAD")
    if not tracked or not revision:
        return None
    return revision + ("+changes" if git("status", "--porcelain", "-uno") else "")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Machine and versions, for the record of what was computed on `device`."""
    import torch

    on_gpu = device.type == "cuda"
    return {
        "host_cpu": cpu_name(),
        "gpu": torch.cuda.get_device_name(device) if on_gpu else None,
        "cuda": torch.version.cuda if on_gpu else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "revision": code_revision(),
    }
