"""What ran here: machine, versions, code revision, memory."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.peak_memory import peak_mib
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
    """Version of every package that matters; None where it isn't installed."""
    found: dict[str, str | None] = {"longtake": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@cache
def code_revision() -> str | None:
    """Git commit of a checkout, with "+changes" if files differ from it; None when installed."""
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


@cache
def cpu_name() -> str:
    """Model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


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


def reset_peaks(device: torch.device) -> None:
    """Start `peak_host_mib`, where the system allows it, and `peak_device_mib` anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def peak_device_mib(device: torch.device) -> float | None:
    """Most memory taken on a GPU since `reset_peaks`; None on the processor."""
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20


def peak_host_mib() -> float:
    """Highest resident memory of this process since `reset_peaks`."""
    return peak_mib()


def num_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0))
