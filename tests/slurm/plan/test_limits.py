"""Limits of a cluster, and requests that are made to fit them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import ClusterError, ConfigError
from slurm.plan.limits import Limits, read_limits
from slurm.plan.resources import Request
from tests.slurm.fake_slurm import FakeSlurm

LIMITS = Limits(4, 10_000, {"gpu": 60, "long": 600, "free": None}, "gpu")
REQUEST = Request("long", 1, 8, 16, 700)


@pytest.mark.parametrize(
    ("partition", "limit"),
    [(None, 60), ("long", 600), ("gpu,long", 60), ("long,free", 600), ("free", None)],
)
def test_of_several_partitions_the_shortest_time_counts(
    partition: str | None, limit: int | None
) -> None:
    assert LIMITS.time_min(partition) == limit


def test_a_partition_caps_the_time() -> None:
    assert LIMITS.fit(REQUEST, 120) == replace(REQUEST, time_min=600)
    free = replace(REQUEST, partition="free")
    assert LIMITS.fit(free, 120) == free


def test_a_time_limit_that_the_warning_would_use_up_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"2 min leaves no time .* raise time_min"):
        LIMITS.fit(replace(REQUEST, time_min=2), 120)


def test_limits_are_read_from_the_cluster(fake_slurm: FakeSlurm) -> None:
    fake_slurm.prints(
        "scontrol.partition",
        "PartitionName=gpu Default=NO MaxTime=1-00:00:00\n"
        "PartitionName=all Default=YES MaxTime=UNLIMITED\n",
    )
    assert read_limits(SlurmProfile()) == Limits(1001, 1_000_000, {"gpu": 1440, "all": None}, "all")
    # A QOS may allow less than its partition, and the user fewer tasks at once.
    fake_slurm.prints("sacctmgr", "04:00:00\n")
    short = read_limits(SlurmProfile(qos="short", max_array_tasks=50))
    assert (short.time_min("all"), short.time_min("gpu")) == (240, 240)
    assert short.max_array_size == 50
    fake_slurm.fails("scontrol.config", "Unable to contact slurm controller")
    with pytest.raises(ClusterError, match="scontrol failed: Unable to contact"):
        read_limits(SlurmProfile())
