"""One job array: from a request and a profile to submitit's sbatch file and its submission."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.slurm_profile import GpuFlag, MemFlag, SlurmProfile
from harness.core.errors import LongtakeError
from slurm import commands
from slurm.requests import Request

if TYPE_CHECKING:
    from submitit import SlurmExecutor

# Requeueing goes by what is on disk, so submitit need not count.
_ANY_NUMBER = 10**6


@dataclass(frozen=True)
class ArraySpec:
    """Everything about one array but its arguments.

    Attributes:
        name: name in the queue.
        request: resources of a task.
        profile: what the site wants.
        folder: submitit's folder.
        cwd: folder the tasks run in.
        num_tasks: tasks of the array.
        dependency: sbatch's --dependency; empty for none.
    """

    name: str
    request: Request
    profile: SlurmProfile
    folder: Path
    cwd: str
    num_tasks: int
    dependency: str = ""


def script(spec: ArraySpec) -> str:
    """The text that sbatch will get."""
    executor = _executor(spec)
    if spec.num_tasks > 1:
        executor.parameters["map_count"] = spec.num_tasks
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def submit(spec: ArraySpec, task: Callable[[str], None], arguments: Sequence[str]) -> str:
    """Submit one array; returns its job id.

    Raises:
        LongtakeError: SLURM refuses it, or doesn't answer.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    assert len(arguments) == spec.num_tasks
    executor = _executor(spec)
    try:
        with outside_of_a_job():
            jobs = executor.map_array(task, list(arguments))
    except (FailedJobError, FailedSubmissionError) as error:
        _withdraw(spec.name)
        said = [line for line in str(error).splitlines() if "error:" in line]
        text = " ".join(" ".join(said or str(error).splitlines()).split())
        raise LongtakeError(f"sbatch failed: {text.replace('sbatch: error: ', '')}") from error
    return jobs[0].job_id.partition("_")[0]


def parameters(spec: ArraySpec) -> dict[str, Any]:
    """Arguments of submitit's `update_parameters`."""
    profile, request = spec.profile, spec.request
    found: dict[str, Any] = {
        "job_name": spec.name,
        "time": request.time_min,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": request.cpus,
        "array_parallelism": profile.max_running,
        "setup": [*setup_lines(spec.cwd, request.cpus), *profile.setup],
        "use_srun": profile.srun,
        "stderr_to_stdout": False,
        "signal_delay_s": profile.signal_delay_s,
    }
    for key in ("account", "qos", "constraint"):
        found[key] = getattr(profile, key)
    found["partition"] = request.partition
    found["exclusive"] = profile.exclusive or None
    found["dependency"] = spec.dependency or None
    found |= _gpus(request.gpus, profile) | _memory(request, profile)
    extra: dict[str, Any] = {"chdir": spec.cwd, "requeue": True, **profile.extra}
    if spec.dependency:
        extra["kill-on-invalid-dep"] = "yes"
    if not profile.srun:
        # The signal must reach the batch process, which is then Python itself.
        extra["signal"] = f"B:USR2@{profile.signal_delay_s}"
    found["additional_parameters"] = extra
    return {key: value for key, value in found.items() if value is not None}


def setup_lines(cwd: str, cpus: int) -> list[str]:
    """What a node needs to know: this package, plug-ins in the user's folder, threads."""
    root = Path(__file__).parents[1]
    # An installed package is found anyway; its folder holds other packages, too.
    own = "" if root.name in ("site-packages", "dist-packages") else f"{shlex.quote(str(root))}:"
    return [
        f"export PYTHONPATH={own}${{PYTHONPATH:+$PYTHONPATH:}}{shlex.quote(cwd)}",
        f"export OMP_NUM_THREADS={cpus} GOMP_SPINCOUNT=${{GOMP_SPINCOUNT:-10000}}",
        # Inside a step srun would otherwise share out CPUs that the step does not ask for.
        f"export SRUN_CPUS_PER_TASK={cpus}",
    ]


@contextlib.contextmanager
def outside_of_a_job() -> Iterator[None]:
    """Hides the variables of a job that we may be in, all but SLURM_CONF."""
    from submitit.helpers import clean_env

    conf = os.environ.get("SLURM_CONF")
    with clean_env():
        if conf is not None:
            os.environ["SLURM_CONF"] = conf
        yield


def _executor(spec: ArraySpec) -> SlurmExecutor:
    from submitit import SlurmExecutor

    if not commands.is_here():
        raise LongtakeError(
            "There is no SLURM here: sbatch, srun, squeue, scontrol and scancel are needed. Run on "
            "a login node of the cluster, or with executor=processes."
        )
    python = shlex.quote(spec.profile.python or sys.executable)
    if spec.profile.container:
        python = f"{spec.profile.container} {python}"
    if not spec.profile.srun:
        python = f"exec {python}"
    executor = SlurmExecutor(spec.folder, max_num_timeout=_ANY_NUMBER, python=python)
    executor.update_parameters(**parameters(spec))
    return executor


def _gpus(gpus: int, profile: SlurmProfile) -> dict[str, Any]:
    if not gpus or profile.gpu_flag is GpuFlag.none:
        return {}
    kind = f"{profile.gpu_type}:" if profile.gpu_type else ""
    if profile.gpu_flag is GpuFlag.gres:
        return {"gres": f"gpu:{kind}{gpus}"}
    return {profile.gpu_flag.value: f"{kind}{gpus}" if kind else gpus}


def _memory(request: Request, profile: SlurmProfile) -> dict[str, Any]:
    mib = round(request.mem_gib * 1024)
    if profile.mem_flag is MemFlag.mem:
        return {"mem": f"{mib}M"}
    if profile.mem_flag is MemFlag.mem_per_cpu:
        return {"mem_per_cpu": f"{-(-mib // request.cpus)}M"}
    return {}


def _withdraw(name: str) -> None:
    """Cancel a job by its name: sbatch may time out although the job exists."""
    with contextlib.suppress(LongtakeError):
        if any(state.name == name and (state.waits or state.runs) for state in commands.queue()):
            commands.run(["scancel", f"--name={name}"])
