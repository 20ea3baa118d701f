"""Limits of the live cluster: size of arrays, number of jobs, time limits of partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from slurm import commands
from slurm.plan.resources import Request

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile

# SLURM checks time limits every 30 s, so the warning may be sent that much too early.
_CLOCK_TICK_S = 40


@dataclass(frozen=True)
class Limits:
    """Limits of a cluster.

    Attributes:
        max_array_size: most tasks of one array.
        max_jobs: most jobs and array tasks, of all users, that the controller holds.
        max_time_min: longest time limit of each partition; None for no limit.
        default_partition: partition of jobs that name none.
        qos_time_min: longest time limit of the quality of service; None for no limit.
    """

    max_array_size: int
    max_jobs: int
    max_time_min: Mapping[str, int | None]
    default_partition: str | None
    qos_time_min: int | None = None

    def time_min(self, partition: str | None) -> int | None:
        """Return the longest time limit in a partition; of several ("gpu,long") the shortest."""
        names = (partition or self.default_partition or "").split(",")
        known = [self.qos_time_min, *(self.max_time_min.get(name) for name in names)]
        return min((limit for limit in known if limit is not None), default=None)

    def fit(self, request: Request, signal_delay_s: int) -> Request:
        """Cap the time limit at that of partition and QOS; unfinished work is requeued.

        Args:
            request: resources of a task.
            signal_delay_s: seconds before the time limit at which tasks receive the signal to save.

        Raises:
            ConfigError: the warning would come before there was time to work.
        """
        longest_min = self.time_min(request.partition)
        time_min = request.time_min if longest_min is None else min(request.time_min, longest_min)
        if time_min * 60 < signal_delay_s + _CLOCK_TICK_S:
            raise ConfigError(
                f"A time limit of {time_min} min leaves no time to work before the warning "
                f"{signal_delay_s} s ahead of it: raise time_min or lower executor.slurm."
                "signal_delay_s."
            )
        return replace(request, time_min=time_min)


def read_limits(profile: SlurmProfile) -> Limits:
    """Read the limits of the live cluster for jobs with these settings.

    Raises:
        ClusterError: there is no SLURM here, or the controller does not answer.
    """
    config, partitions = commands.configuration(), commands.partitions()
    default = [name for name, parts in partitions.items() if parts.get("Default") == "YES"]
    return Limits(
        max_array_size=max(
            1, min(int(config.get("MaxArraySize", "1001")), profile.max_array_tasks or 10**9)
        ),
        max_jobs=int(config.get("MaxJobCount", "10000")),
        max_time_min={
            name: commands.minutes(parts.get("MaxTime", "")) for name, parts in partitions.items()
        },
        default_partition=default[0] if default else None,
        qos_time_min=commands.qos_minutes(profile.qos),
    )
