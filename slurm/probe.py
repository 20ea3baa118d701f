"""A job that tells what a node is like: Python, this package, GPUs, the run folder, its clock."""

from __future__ import annotations

import json
import platform
import secrets
import shutil
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from submitit.helpers import Checkpointable

from harness.config.slurm_profile import SlurmProfile
from harness.core.environment import package_versions
from harness.core.errors import LongtakeError
from harness.core.files import write_json
from slurm import checks, commands
from slurm.requests import Request
from slurm.sbatch import ArraySpec, submit
from slurm.state import log_tail


@dataclass(frozen=True)
class NodeFacts:
    """What a probe found on a node.

    Attributes:
        host: name of the machine.
        python: version of Python.
        longtake: version of this package.
        torch: version of torch.
        gpus: GPUs that torch sees.
        clock_ahead_s: clock of the node less that of the file system.
        slurm_trouble: why a task there can't give itself back to the queue; empty if it can.
    """

    host: str
    python: str
    longtake: str
    torch: str
    gpus: int
    clock_ahead_s: float
    slurm_trouble: str


class ProbeTask(Checkpointable):
    """Writes the facts of the node it runs on to a file."""

    def __call__(self, path: str) -> None:
        """Look around and write `path`."""
        import torch

        versions = package_versions()
        facts = NodeFacts(
            socket.gethostname(),
            platform.python_version(),
            str(versions["longtake"]),
            torch.__version__,
            torch.cuda.device_count(),
            checks.clock_skew_s(Path(path).parent),
            _slurm_trouble(),
        )
        write_json(Path(path), asdict(facts))


def _slurm_trouble() -> str:
    """What requeueing needs, tried: in a container the commands may be there without munge."""
    if missing := [name for name in ("squeue", "scontrol") if shutil.which(name) is None]:
        return f"there is no {' and no '.join(missing)} (docs/slurm.md: what a container needs)"
    try:
        commands.queue()
        commands.cluster_limits()
    except LongtakeError as error:
        return str(error)
    return ""


def probe(profile: SlurmProfile, request: Request, runs: Path, wait_s: float) -> NodeFacts:
    """Run a probe with the resources of a generating task and wait for its answer.

    Raises:
        LongtakeError: SLURM refuses the job, it fails (with the end of its log), or it does not
            start within `wait_s`.
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
            task = next((task for task in commands.queue() if task.name == name), None)
            if task is None or not (task.waits or task.runs):
                time.sleep(1)  # a file may take its time to be seen
                if answer.is_file():
                    break
                lines = log_tail(folder / f"submitit/{job_id}_0_log.err")
                state = task.state if task else "gone"
                raise LongtakeError(
                    f"The probe ended ({state}) without an answer that can be seen here: "
                    f"{lines[-1] if lines else f'no log in {folder}'}"
                )
            if time.monotonic() > end:
                commands.run(["scancel", job_id])
                raise LongtakeError(
                    f"The probe is still {task.state} ({task.reason}) after {wait_s:g} s; taken "
                    "back."
                )
            time.sleep(1)
        return NodeFacts(**json.loads(answer.read_text()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
