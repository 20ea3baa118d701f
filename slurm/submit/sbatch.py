"""One job array: its sbatch file by submitit, from a request and a profile, and its submission."""

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
from harness.core.errors import ClusterError
from slurm import commands
from slurm.plan.resources import Request

if TYPE_CHECKING:
    from slurm.submit.executor import SiteExecutor

# Attempts are counted from files (slurm.attempts), so submitit's own limit must never apply.
_NO_LIMIT = 10**6


@dataclass(frozen=True)
class ArraySpec:
    """Everything about one array except the arguments of its tasks.

    Attributes:
        name: name in the queue.
        request: resources of a task.
        profile: how the site expects resources to be requested.
        folder: submitit's folder.
        cwd: working folder of the tasks.
        num_tasks: tasks of the array; 1 for a job without an array.
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
    """Return the sbatch file."""
    executor = _executor(spec)
    if spec.num_tasks > 1:
        executor.parameters["map_count"] = spec.num_tasks
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def submit(spec: ArraySpec, task: Callable[[str], None], arguments: Sequence[str]) -> str:
    """Submit one array and return its job id.

    Raises:
        ConfigError: the job requests something that the cluster does not have.
        ClusterError: SLURM refuses the job or does not answer.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    assert len(arguments) == spec.num_tasks
    executor = _executor(spec)

    def submit_once() -> str:
        try:
            with outside_of_a_job():
                jobs = executor.map_array(task, list(arguments))
        except (FailedJobError, FailedSubmissionError) as error:
            _withdraw(spec.name)
            # submitit's message has its own traceback and hints around sbatch's lines.
            said = [line for line in str(error).splitlines() if "error:" in line]
            raise commands.refusal("sbatch failed", "\n".join(said) or str(error)) from error
        return jobs[0].job_id.partition("_")[0]

    return commands.retrying(submit_once)


def parameters(spec: ArraySpec) -> dict[str, Any]:
    """Return the arguments of submitit's `update_parameters`."""
    profile, request = spec.profile, spec.request
    found: dict[str, Any] = {
        "job_name": spec.name,
        "time": request.time_min,
        "nodes": 1,
        "ntasks_per_node": 1,
        "cpus_per_task": request.cpus,
        "array_parallelism": profile.max_running,
        "setup": [*setup_lines(request.cpus), *_checked(profile.setup)],
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
        # Without srun there is no step for the signal to reach; "B:" sends it to the batch
        # process, which is Python itself (see `_executor`: exec).
        extra["signal"] = f"B:USR2@{profile.signal_delay_s}"
    found["additional_parameters"] = extra
    # submitit would send a wckey of its own, which clusters that enforce wckeys refuse.
    return {**{key: value for key, value in found.items() if value is not None}, "wckey": None}


def setup_lines(cpus: int) -> list[str]:
    """Return the shell lines that a task needs before all others: this package, and threads."""
    lines = [
        f"export OMP_NUM_THREADS={cpus} GOMP_SPINCOUNT=${{GOMP_SPINCOUNT:-10000}}",
        # srun would otherwise give the step one CPU, as the step itself requests none.
        f"export SRUN_CPUS_PER_TASK={cpus}",
        # With --export=NONE, usual at some sites, srun would drop what is exported here.
        "unset SLURM_EXPORT_ENV",
    ]
    root = Path(__file__).parents[2]
    # An installed package is found without; its folder would put other packages first.
    if root.name not in ("site-packages", "dist-packages"):
        path = f"{shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}"
        lines.insert(0, f"export PYTHONPATH={path}")
    return lines


def _checked(lines: Sequence[str]) -> list[str]:
    """Return the site's own shell lines so that one that fails ends the task, named in its log."""
    if not lines:
        return []
    begin = ["set -e", "trap 'echo \"error: setup line failed: $BASH_COMMAND\" >&2' ERR"]
    return [*begin, *lines, "trap - ERR", "set +e"]


@contextlib.contextmanager
def outside_of_a_job() -> Iterator[None]:
    """Hide variables that sbatch would obey: of a job that this process runs in, and defaults."""
    from submitit.helpers import clean_env

    conf, before = os.environ.get("SLURM_CONF"), dict(os.environ)
    with clean_env():
        for name in set(os.environ).difference(commands.plain_environment()):
            del os.environ[name]
        if conf is not None:
            os.environ["SLURM_CONF"] = conf
        try:
            yield
        finally:
            os.environ.update(before)


def _executor(spec: ArraySpec) -> SiteExecutor:
    from slurm.submit.executor import SiteExecutor

    if not commands.is_here():
        raise ClusterError(
            "There is no SLURM here: sbatch, srun, squeue, scontrol and scancel are needed. Run on "
            "a login node of the cluster, or with executor=processes."
        )
    # Without -P the working folder would come first on sys.path, and an `eval/` or `slurm/` in it
    # before ours. Tasks append it themselves (slurm.node.task), for the user's plug-ins. Unlike
    # PYTHONSAFEPATH, the option does not reach Python programs that a task starts.
    python = f"{shlex.quote(spec.profile.python or sys.executable)} -P"
    if spec.profile.container:
        python = f"{spec.profile.container} {python}"
    if not spec.profile.srun:
        python = f"exec {python}"
    executor = SiteExecutor(spec.folder, max_num_timeout=_NO_LIMIT, python=python)
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
    """Cancel a job by its name: sbatch may fail, by a timeout, although the job was accepted."""
    with contextlib.suppress(ClusterError):
        if any(state.waits or state.runs for state in commands.queue([name])):
            commands.run(["scancel", f"--name={name}"])
