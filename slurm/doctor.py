"""A cluster profile against the live cluster, question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LongtakeError
from slurm import checks, commands
from slurm.planning import Limits
from slurm.profile import SlurmProfile
from slurm.requests import Request, evaluation_request, report_request, trial_generation_request
from slurm.sbatch import ArraySpec, script


@dataclass(frozen=True)
class Finding:
    """The answer to one question; `ok` is False where sweeps would fail."""

    question: str
    ok: bool
    answer: str


def examine(profile: SlurmProfile, runs: Path, device: str) -> Iterator[Finding]:
    """Check what can be checked without running a job.

    Args:
        profile: what the site wants.
        runs: parent folder of all run stores.
        device: the device setting.
    """
    yield (answer := _ask("controller", _version))
    if not answer.ok:
        return
    limits = checks.read_limits()
    config = commands.cluster_limits()
    yield _ask("partition", lambda: _partition(profile, limits))
    yield Finding("arrays", True, f"{limits.max_array_size} tasks, {limits.max_jobs} jobs in all")
    accounting = config.get("AccountingStorageType", "").endswith("none")
    yield Finding(
        "accounting", True, "none: ended jobs are known for a while" if accounting else "yes"
    )
    yield Finding("time from SIGTERM to SIGKILL", True, config.get("KillWait", "unknown"))
    yield _ask("run folder", lambda: _run_folder(runs))
    for stage, request in requests(profile, device).items():
        yield _ask(f"a task to {stage}", lambda r=request: _trial(profile, r))  # type: ignore[misc]


def requests(profile: SlurmProfile, device: str) -> dict[str, Request]:
    """What small tasks of every stage would ask for."""
    return {
        "generate": trial_generation_request(profile, device),
        "evaluate": evaluation_request(60, profile, profile.evaluate.gpus or 0),
        "report": report_request(1, profile),
    }


def _ask(question: str, answer: Callable[[], str]) -> Finding:
    try:
        return Finding(question, True, answer())
    except LongtakeError as error:
        return Finding(question, False, str(error))


def _version() -> str:
    if not commands.is_here():
        raise LongtakeError("none: sbatch, srun, squeue, scontrol and scancel are not all here")
    return commands.run(["sinfo", "--version"]).strip()


def _partition(profile: SlurmProfile, limits: Limits) -> str:
    checks.check_partitions(profile, limits)
    name = profile.partition or limits.default_partition
    found = commands.partitions()[str(name).partition(",")[0]]
    state = found.get("State", "?")
    if state != "UP":
        raise LongtakeError(f"{name} is {state}")
    return f"{name}: {found.get('TotalNodes', '?')} nodes, at most {found.get('MaxTime', '?')}"


def _run_folder(runs: Path) -> str:
    checks.check_store(runs)
    return f"{runs.absolute()} can be written to and is not known to be local"


def _trial(profile: SlurmProfile, request: Request) -> str:
    spec = ArraySpec("longtake-doctor", request, profile, Path("/tmp"), str(Path.cwd()), 1)
    commands.test_only(script(spec))
    gpus = f"{request.gpus} GPU, " if request.gpus else ""
    return f"accepted: {gpus}{request.cpus} CPUs, {request.mem_gib:g} GiB, {request.time_min} min"
