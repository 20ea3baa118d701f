"""SLURM profile: how this site expects resources to be requested; the keys of `executor.slurm`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.core.errors import ConfigError


class GpuFlag(StrEnum):
    """Option that requests GPUs: --gpus-per-node=N, --gpus-per-task=N, --gres=gpu:N, or none."""

    gpus_per_node = "gpus_per_node"
    gpus_per_task = "gpus_per_task"
    gres = "gres"
    none = "none"


class MemFlag(StrEnum):
    """Option that requests memory: --mem, --mem-per-cpu, or none."""

    mem = "mem"
    mem_per_cpu = "mem_per_cpu"
    none = "none"


@dataclass
class StageProfile:
    """Resources of one stage; a value of None is derived or taken from the profile.

    Args:
        partition: partition of this stage only, for example one without GPUs.
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
        # OmegaConf also builds a temporary instance whose fields are placeholders, not numbers.
        for key, least in (("gpus", 0), ("cpus", 1), ("mem_gib", 0.1), ("time_min", 1)):
            number = getattr(self, key)
            if isinstance(number, int | float) and number < least:
                raise ConfigError(f"executor.slurm: {key} must be at least {least}: {number}.")


@dataclass
class SlurmProfile:
    """Settings of all stages, and the options of sbatch that request them.

    Args:
        partition: partition; None for the default of the cluster.
        account: account to charge.
        qos: quality of service.
        constraint: features that a node must have.
        gpu_flag: option that requests GPUs.
        gpu_type: type of GPU, for example h100; None for any.
        mem_flag: option that requests memory.
        exclusive: request whole nodes.
        shard_min: target length of one array task in minutes.
        max_running: most tasks of one array that run at once; each array has its own limit.
        max_array_tasks: most tasks of one array; None for the cluster's MaxArraySize.
        signal_delay_s: seconds before the time limit at which a task saves its work and requeues.
        max_attempts: attempts without progress after which a unit is abandoned.
        latent_s: seconds per latent frame, used until a record of this backbone measures it; None
            for a guess.
        setup: shell lines before the work: module load, exports, cd.
        container: command prefix that starts a container, for example "apptainer exec --nv a.sif".
        python: Python on the nodes; None for the one that submits.
        srun: start tasks with srun.
        extra: other options of sbatch, without dashes.
        generate: resources of generation where they differ.
        evaluate: resources of scoring where they differ.
        report: resources of the report where they differ.
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
    max_array_tasks: int | None = None
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
        for key in (
            *("shard_min", "max_running", "max_array_tasks"),
            *("signal_delay_s", "max_attempts", "latent_s"),
        ):
            number = getattr(self, key)
            if isinstance(number, int | float) and number <= 0:
                raise ConfigError(f"executor.slurm.{key} must be positive: {number}.")
        if isinstance(self.extra, Mapping):
            for key in self.extra:
                if not re.fullmatch(r"[a-z][a-z0-9_-]*", str(key)) or key in _OURS:
                    raise ConfigError(
                        f"executor.slurm.extra: {key!r} can't be set here; expected an option of "
                        f"sbatch without dashes, and none of {', '.join(_OURS)}."
                    )


# Options that the dispatcher sets itself.
_OURS = ("array", "chdir", "dependency", "error", "job-name", "output", "requeue", "signal", "time")
