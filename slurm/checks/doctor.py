"""`doctor` on a cluster: a SLURM profile checked against the live cluster, question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.scoring.suite import find_suite
from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import ClusterError, LongtakeError
from slurm import commands
from slurm.checks import preflight
from slurm.checks.probe import NodeFacts
from slurm.clock import MAX_SKEW_S
from slurm.plan.limits import Limits, read_limits
from slurm.plan.resources import (
    Request,
    evaluation_gpus,
    evaluation_request,
    report_request,
    trial_generation_request,
)
from slurm.submit.sbatch import ArraySpec, script


@dataclass(frozen=True)
class Finding:
    """Answer to one question; `ok` is False where sweeps would fail."""

    question: str
    ok: bool
    answer: str


def examine(
    profile: SlurmProfile, runs: Path, device: str, suites: Sequence[str]
) -> Iterator[Finding]:
    """Check everything that can be checked without running a job.

    Args:
        profile: how the site expects resources to be requested.
        runs: parent folder of all run stores.
        device: the device setting.
        suites: suites that the sweep would be scored with.
    """
    yield (answer := _ask("controller", _version))
    if not answer.ok:
        return
    limits = read_limits(profile)
    config = commands.configuration()
    yield _ask("partition", lambda: _partition(profile, limits))
    yield Finding("arrays", True, f"at most {limits.max_array_size} tasks, {limits.max_jobs} jobs")
    if config.get("AccountingStorageType", "").endswith("none"):
        accounting = "disabled: finished jobs stay visible in squeue for only a few minutes"
    else:
        accounting = "enabled"
    yield Finding("accounting", True, accounting)
    yield Finding("time from SIGTERM to SIGKILL", True, config.get("KillWait", "unknown"))
    yield _ask("run folder", lambda: _run_folder(runs))
    for stage, request in requests(profile, device, suites).items():
        yield _ask(f"a task to {stage}", lambda r=request: _trial(profile, r))  # type: ignore[misc]


def requests(profile: SlurmProfile, device: str, suites: Sequence[str]) -> dict[str, Request]:
    """Return the resources of a small task of every stage."""
    gpus = evaluation_gpus(map(find_suite, suites), profile, device)
    return {
        "generate": trial_generation_request(profile, device),
        "evaluate": evaluation_request(60, profile, gpus),
        "report": report_request(1, profile),
    }


def judge(facts: NodeFacts, request: Request, device: str) -> Iterator[Finding]:
    """Check that a node can run the tasks of a sweep.

    Args:
        facts: what a probe found on the node.
        request: resources that the probe requested.
        device: the device setting; with cpu, requested GPUs are not used.
    """
    versions = f"Python {facts.python}, longtake {facts.longtake}, torch {facts.torch}"
    yield Finding("node", True, f"{facts.host}: {versions}")
    yield Finding(
        "GPUs on the node",
        device == "cpu" or facts.gpus >= request.gpus,
        f"torch sees {facts.gpus}, {request.gpus} requested",
    )
    yield Finding(
        "clock of the node",
        abs(facts.clock_ahead_s) <= MAX_SKEW_S,
        f"{facts.clock_ahead_s:.0f} s ahead of the file system's",
    )
    yield Finding(
        "requeue from the node",
        not facts.slurm_trouble,
        facts.slurm_trouble or "squeue and scontrol answer on the node",
    )
    yield Finding(
        "compiled kernels",
        device == "cpu" or not facts.gpus or not facts.kernel_trouble,
        f"{facts.kernel_trouble}; kernels.compile=false does without"
        if facts.kernel_trouble
        else "can be built on the node",
    )


def _ask(question: str, answer: Callable[[], str]) -> Finding:
    # Wrong settings and trouble of the cluster are both answers here.
    try:
        return Finding(question, True, answer())
    except LongtakeError as error:
        return Finding(question, False, str(error))


def _version() -> str:
    if not commands.is_here():
        raise ClusterError("none: sbatch, srun, squeue, scontrol and scancel are not all installed")
    return commands.run(["sinfo", "--version"]).strip()


def _partition(profile: SlurmProfile, limits: Limits) -> str:
    preflight.check_partitions(profile, limits)
    known, answers = commands.partitions(), []
    for name in str(profile.partition or limits.default_partition).split(","):
        found = known[name]
        if (state := found.get("State", "?")) != "UP":
            raise ClusterError(f"{name} is {state}")
        nodes, time = found.get("TotalNodes", "?"), found.get("MaxTime", "?")
        answers.append(f"{name}: {nodes} nodes, at most {time}")
    return "; ".join(answers)


def _run_folder(runs: Path) -> str:
    preflight.check_store(runs)
    return f"{runs.absolute()} can be written to and is not known to be local"


def _trial(profile: SlurmProfile, request: Request) -> str:
    spec = ArraySpec("longtake-doctor", request, profile, Path("/tmp"), str(Path.cwd()), 1)
    commands.test_only(script(spec))
    gpus = f"{request.gpus} GPU, " if request.gpus else ""
    return f"accepted: {gpus}{request.cpus} CPUs, {request.mem_gib:g} GiB, {request.time_min} min"
