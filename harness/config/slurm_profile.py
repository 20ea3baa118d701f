"""A cluster profile: what a site wants to be asked for. The keys of `executor.slurm`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.core.errors import LongtakeError


class GpuFlag(StrEnum):
    """How GPUs are asked for: --gpus-per-node=N, --gpus-per-task=N, --gres=gpu:N, or not at all."""

    gpus_per_node = "gpus_per_node"
    gpus_per_task = "gpus_per_task"
    gres = "gres"
    none = "none"


class MemFlag(StrEnum):
    """How memory is asked for: --mem, --mem-per-cpu, or not at all."""

    mem = "mem"
    mem_per_cpu = "mem_per_cpu"
    none = "none"


@dataclass
class StageProfile:
    """What one stage asks for; whatever is left out is derived or taken from the profile.

    Args:
        partition: partition of this stage alone, for example one without GPUs.
        gpus: GPUs of a task.
        cpus: CPUs of a task.
        mem_gib: host memory of a task.
        time_min: time limit of a task in minutes.
    """

    partition: str | None = None
    gpus: int | None = None
    cpus: int | None = None
    mem_gib: float | None = None
    time_min: int | None = None

    def __post_init__(self) -> None:
        # OmegaConf builds a throw-away instance with placeholders, hence the type checks.
        for key, least in (("gpus", 0), ("cpus", 1), ("mem_gib", 0.1), ("time_min", 1)):
            number = getattr(self, key)
            if isinstance(number, int | float) and number < least:
                raise LongtakeError(f"executor.slurm: {key} must be at least {least}: {number}.")


@dataclass
class SlurmProfile:
    """What all stages share, and how they are asked for.

    Args:
        partition: partition; the cluster's default when left out.
        account: account that is charged.
        qos: quality of service.
        constraint: features a node must have.
        gpu_flag: how GPUs are asked for.
        gpu_type: type of GPU, for example h100; any when left out.
        mem_flag: how memory is asked for.
        exclusive: ask for whole nodes.
        shard_min: minutes of work that one array task is cut for.
        max_running: tasks of one array that run at once, at most; arrays are counted one by one.
        signal_delay_s: seconds before the time limit at which a task is told to save and requeue.
        max_attempts: how often a unit may fail, or not get any further, before it is given up.
        latent_s: seconds per latent frame, where no earlier record tells; guessed when left out.
        setup: shell lines before the work: module load, exports, cd.
        container: command prefix that starts a container, for example "apptainer exec --nv a.sif".
        python: Python on the nodes; the one that submits when left out.
        srun: start tasks by srun.
        extra: any other options of sbatch, without dashes.
        generate: what differs while generating.
        evaluate: what differs while scoring.
        report: what differs for the report.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpu_flag: GpuFlag = GpuFlag.gpus_per_node
    gpu_type: str | None = None
    mem_flag: MemFlag = MemFlag.mem
    exclusive: bool = False
    shard_min: float = 30
    max_running: int = 256
    signal_delay_s: int = 120
    max_attempts: int = 3
    latent_s: float | None = None
    setup: list[str] = field(default_factory=list)
    container: str | None = None
    python: str | None = None
    srun: bool = True
    extra: dict[str, str] = field(default_factory=dict)
    generate: StageProfile = field(default_factory=StageProfile)
    evaluate: StageProfile = field(default_factory=StageProfile)
    report: StageProfile = field(default_factory=StageProfile)

    def __post_init__(self) -> None:
        for key in ("shard_min", "max_running", "signal_delay_s", "max_attempts", "latent_s"):
            number = getattr(self, key)
            if isinstance(number, int | float) and number <= 0:
                raise LongtakeError(f"executor.slurm.{key} must be positive: {number}.")
        if isinstance(self.extra, Mapping):
            for key in self.extra:
                if not re.fullmatch(r"[a-z][a-z0-9_-]*", str(key)) or key in _OURS:
                    raise LongtakeError(
                        f"executor.slurm.extra: {key!r} is not an option of sbatch that can be "
                        f"given here; without dashes, and none of {', '.join(_OURS)}."
                    )


# Options that the dispatcher sets itself.
_OURS = ("array", "chdir", "dependency", "error", "job-name", "output", "requeue", "signal", "time")
