"""Facts about the machine and the code, for the records of what was computed here."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.machine import cpu_name
from harness.core.version import __version__

if TYPE_CHECKING:
    import torch

WORKERS_VARIABLE = "LONGTAKE_WORKERS"
"""Environment variable by which a process knows how many work beside each other."""
PACKAGES = (
    "torch",
    "numpy",
    "av",
    "hydra-core",
    "submitit",
    "pandas",
    "pyarrow",
    "matplotlib",
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
        # A question must not write: by default `git status` renews the index, and a process that is
        # killed or out of space meanwhile leaves a lock that blocks the checkout.
        command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
        try:
            run = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return run.stdout.strip() if run.returncode == 0 else None

    tracked = git("ls-files", "--error-unmatch", "environment.py")
    revision = git("rev-parse", "HEAD")
    if not tracked or not revision:
        return None
    return revision + ("+changes" if git("status", "--porcelain", "-uno") else "")


@dataclass(frozen=True)
class Machine:
    """The machine and versions behind a result.

    Attributes:
        host_cpu: model name of the CPU.
        gpu: model name of the GPU; None on the CPU.
        cuda: version of CUDA; None on the CPU.
        torch: version of torch.
        python: version of Python.
        platform: operating system.
        threads: CPU threads of torch.
        revision: commit of the code; None when it did not run from a checkout.
        workers: processes that the sweep was to have at work here; None for a process of its own,
            and in older records.
    """

    host_cpu: str
    gpu: str | None
    cuda: str | None
    torch: str
    python: str
    platform: str
    threads: int
    revision: str | None
    workers: int | None = None


def describe_machine(device: torch.device) -> Machine:
    """Describe this machine, for the record of what was computed on `device`."""
    import torch

    on_gpu = device.type == "cuda"
    return Machine(
        host_cpu=cpu_name(),
        gpu=torch.cuda.get_device_name(device) if on_gpu else None,
        cuda=torch.version.cuda if on_gpu else None,
        torch=str(torch.__version__),
        python=platform.python_version(),
        platform=platform.platform(),
        threads=torch.get_num_threads(),
        revision=code_revision(),
        workers=int(workers) if (workers := os.environ.get(WORKERS_VARIABLE)) else None,
    )
