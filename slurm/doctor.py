"""A cluster profile against the live cluster, question by question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.scoring.suite import find_suite
from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import LongtakeError
from slurm import checks, commands
from slurm.planning import Limits
from slurm.probe import NodeFacts
from slurm.requests import (
    Request,
    evaluation_gpus,
    evaluation_request,
    report_request,
    trial_generation_request,
)
from slurm.sbatch import ArraySpec, script


@dataclass(frozen=True)
class Finding:
    """The answer to one question; `ok` is False where sweeps would fail."""

    question: str
    ok: bool
    answer: str


def examine(
    profile: SlurmProfile, runs: Path, device: str, suites: Sequence[str]
) -> Iterator[Finding]:
    """Check what can be checked without running a job.

    Args:
        profile: what the site wants.
        runs: parent folder of all run stores.
        device: the device setting.
        suites: what the sweep would be scored with.
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
    for stage, request in requests(profile, device, suites).items():
        yield _ask(f"a task to {stage}", lambda r=request: _trial(profile, r))  # type: ignore[misc]


def requests(profile: SlurmProfile, device: str, suites: Sequence[str]) -> dict[str, Request]:
    """What small tasks of every stage would ask for."""
    gpus = evaluation_gpus(map(find_suite, suites), profile, device)
    return {
        "generate": trial_generation_request(profile, device),
        "evaluate": evaluation_request(60, profile, gpus),
        "report": report_request(1, profile),
    }


def judge(facts: NodeFacts, request: Request, device: str) -> Iterator[Finding]:
    """Whether a node is fit for what was asked for.

    Args:
        facts: what a probe found there.
        request: what the probe asked for.
        device: the device setting; with cpu nothing computes on the GPUs asked for.
    """
    versions = f"Python {facts.python}, longtake {facts.longtake}, torch {facts.torch}"
    yield Finding("node", True, f"{facts.host}: {versions}")
    yield Finding(
        "GPUs on the node",
        device == "cpu" or facts.gpus >= request.gpus,
        f"torch sees {facts.gpus}, {request.gpus} asked for",
    )
    yield Finding(
        "clock of the node",
        abs(facts.clock_ahead_s) <= checks.MAX_SKEW_S,
        f"{facts.clock_ahead_s:.0f} s ahead of the file system's",
    )
    yield Finding(
        "giving a task back to the queue",
        not facts.slurm_trouble,
        facts.slurm_trouble or "squeue and scontrol answer on the node",
    )


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
    known, answers = commands.partitions(), []
    for name in str(profile.partition or limits.default_partition).split(","):
        found = known[name]
        if (state := found.get("State", "?")) != "UP":
            raise LongtakeError(f"{name} is {state}")
        nodes, time = found.get("TotalNodes", "?"), found.get("MaxTime", "?")
        answers.append(f"{name}: {nodes} nodes, at most {time}")
    return "; ".join(answers)


def _run_folder(runs: Path) -> str:
    checks.check_store(runs)
    return f"{runs.absolute()} can be written to and is not known to be local"


def _trial(profile: SlurmProfile, request: Request) -> str:
    spec = ArraySpec("longtake-doctor", request, profile, Path("/tmp"), str(Path.cwd()), 1)
    commands.test_only(script(spec))
    gpus = f"{request.gpus} GPU, " if request.gpus else ""
    return f"accepted: {gpus}{request.cpus} CPUs, {request.mem_gib:g} GiB, {request.time_min} min"
