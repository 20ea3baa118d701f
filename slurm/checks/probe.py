"""The probe of `doctor`: a job that reports on a node: Python, packages, GPUs, folder, clock."""

from __future__ import annotations

import platform
import secrets
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from submitit.helpers import Checkpointable

from harness.config.slurm_profile import SlurmProfile
from harness.core.compiler import kernel_problem
from harness.core.environment import package_versions
from harness.core.errors import ClusterError
from harness.core.typed_files import read_typed, write_typed
from slurm import commands
from slurm.clock import clock_skew_s
from slurm.plan.resources import Request
from slurm.status.logs import log_tail
from slurm.submit.sbatch import ArraySpec, submit

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class NodeFacts:
    """Findings of a probe on a node.

    Attributes:
        host: name of the machine.
        python: version of Python.
        longtake: version of this package.
        torch: version of torch.
        gpus: number of GPUs that torch sees.
        clock_ahead_s: clock of the node minus that of the file system.
        slurm_trouble: why a task cannot be requeued from there; empty if it can.
        kernel_trouble: why kernels cannot be compiled there; empty if they can.
    """

    host: str
    python: str
    longtake: str
    torch: str
    gpus: int
    clock_ahead_s: float
    slurm_trouble: str
    kernel_trouble: str


class ProbeTask(Checkpointable):
    """Task that writes the facts of its node to a file."""

    def __call__(self, path: str) -> None:
        """Collect the facts and write them to `path`."""
        import torch

        versions = package_versions()
        facts = NodeFacts(
            socket.gethostname(),
            platform.python_version(),
            str(versions["longtake"]),
            str(torch.__version__),
            torch.cuda.device_count(),
            clock_skew_s(Path(path).parent),
            _slurm_trouble(),
            kernel_problem() or "",
        )
        write_typed(Path(path), facts)


def _slurm_trouble() -> str:
    """Return why requeueing would fail here; empty if it would not.

    The commands are tried, as a container may have them without munge, which they need.
    """
    if missing := [name for name in ("squeue", "scontrol") if shutil.which(name) is None]:
        return f"there is no {' and no '.join(missing)} (docs/slurm.md: what a container needs)"
    try:
        commands.queue(["longtake-probe"])
        commands.configuration()
    except ClusterError as error:
        return str(error)
    return ""


def probe(profile: SlurmProfile, request: Request, runs: Path, wait_s: float) -> NodeFacts:
    """Submit a probe and wait for its answer.

    Args:
        profile: how the site expects resources to be requested.
        request: resources of the probe: those of a generating task.
        runs: parent folder of all run stores; the probe writes its answer there.
        wait_s: seconds after which the probe is cancelled.

    Raises:
        ConfigError: the job requests something that the cluster does not have.
        ClusterError: SLURM refuses the job, it fails, or it does not start in time.
    """
    folder = runs.absolute() / f".longtake-probe-{secrets.token_hex(4)}"
    answer = folder / "facts.json"
    folder.mkdir(parents=True)
    try:
        name = folder.name.removeprefix(".")
        spec = ArraySpec(name, request, profile, folder / "submitit", str(Path.cwd()), 1)
        job_id = submit(spec, ProbeTask(), [str(answer)])
        end = time.monotonic() + wait_s
        while not answer.is_file():
            task = next(iter(commands.queue([name])), None)
            if task is None or not (task.waits or task.runs):
                # It has ended, but a shared file system may show its file somewhat later.
                time.sleep(_LOOK_EVERY_S)
                if answer.is_file():
                    break
                lines = log_tail(folder / f"submitit/{job_id}_0_log.err")
                state = task.state if task else "gone"
                raise ClusterError(
                    f"The probe ended ({state}), but no answer can be seen here: "
                    f"{lines[-1] if lines else f'no log in {folder}'}"
                )
            if time.monotonic() > end:
                commands.run(["scancel", job_id])
                raise ClusterError(
                    f"The probe is still {task.state} ({task.reason}) after {wait_s:g} s and was "
                    "cancelled."
                )
            time.sleep(_LOOK_EVERY_S)
        return read_typed(answer, NodeFacts)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
