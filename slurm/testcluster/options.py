"""What a throw-away cluster looks like."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import LongtakeError
from slurm.testcluster.ports import MOST_PORTS

# A fake GPU must be a character device: SLURM refuses plain files and bare counts.
FAKE_GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
# Besides the nodes the controller and accounting have one each.
MOST_NODES = MOST_PORTS - 2


@dataclass(frozen=True)
class ClusterOptions:
    """Size and clocks of a throw-away cluster; the clocks are short, so that failures end soon.

    Attributes:
        nodes: virtual nodes, called n1, n2, ...
        gpus: fake GPUs of a node: counters and CUDA_VISIBLE_DEVICES, no more.
        cpus: CPUs that a node claims to have.
        mem_mib: memory that a node claims to have.
        accounting: with a database behind sacct; starting takes seconds longer.
        user_signal: preemption sends the signal that a job asked for instead of SIGTERM.
        requeue_wait_s: how long a requeued job waits before it starts again (SLURM's default 120).
        kill_wait_s: time between SIGTERM and SIGKILL.
        node_timeout_s: a node that is silent for so long is down.
        grace_s: time between the signal of a preemption and SIGKILL.
        max_array_size: MaxArraySize.
        min_job_age_s: how long the controller remembers a finished job.
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
            raise LongtakeError(f"gpus={self.gpus} must lie in 1..{len(FAKE_GPUS)}.")
        if not 1 <= self.nodes <= MOST_NODES:
            raise LongtakeError(f"nodes={self.nodes} must lie in 1..{MOST_NODES}.")
        if min(self.cpus, self.mem_mib) < 1:
            raise LongtakeError("cpus and mem_mib must be at least 1.")
        if self.requeue_wait_s < 5:
            raise LongtakeError("requeue_wait_s must be at least 5: SLURM takes less for 120.")
