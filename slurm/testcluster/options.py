"""Options of a test cluster."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import ConfigError
from slurm.testcluster.ports import MOST_PORTS

# A fake GPU must be a character device: SLURM refuses plain files and bare counts.
FAKE_GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
# The controller and accounting need one port each.
MOST_NODES = MOST_PORTS - 2


@dataclass(frozen=True)
class ClusterOptions:
    """Size and timers of a test cluster; the timers are short, so that failures show soon.

    Attributes:
        nodes: number of virtual nodes.
        gpus: fake GPUs of a node: SLURM counts them and sets CUDA_VISIBLE_DEVICES.
        cpus: CPUs that a node reports, real or not.
        mem_mib: memory that a node reports, real or not.
        accounting: run the database behind sacct; starting takes seconds longer.
        user_signal: preemption sends the signal of a job's --signal instead of SIGTERM.
        requeue_wait_s: wait of a requeued job before it starts again (120 by default in SLURM).
        kill_wait_s: time between SIGTERM and SIGKILL.
        node_timeout_s: silence after which a node is down.
        grace_s: time between the signal of a preemption and SIGKILL.
        max_array_size: MaxArraySize.
        min_job_age_s: time for which the controller remembers a finished job.
    """

    nodes: int = 4
    gpus: int = 2
    cpus: int = 4
    mem_mib: int = 4000
    accounting: bool = True
    user_signal: bool = True
    requeue_wait_s: int = 5
    kill_wait_s: int = 5
    node_timeout_s: int = 15
    grace_s: int = 10
    max_array_size: int = 1001
    min_job_age_s: int = 300

    def __post_init__(self) -> None:
        if not 1 <= self.gpus <= len(FAKE_GPUS):
            raise ConfigError(f"gpus={self.gpus} must lie in 1..{len(FAKE_GPUS)}.")
        if not 1 <= self.nodes <= MOST_NODES:
            raise ConfigError(f"nodes={self.nodes} must lie in 1..{MOST_NODES}.")
        if min(self.cpus, self.mem_mib) < 1:
            raise ConfigError("cpus and mem_mib must be at least 1.")
        if self.requeue_wait_s < 5:
            raise ConfigError("requeue_wait_s must be at least 5: SLURM replaces less by 120.")
