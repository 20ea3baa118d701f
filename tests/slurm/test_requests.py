from __future__ import annotations

import pytest

from harness.config import load_sweep
from harness.errors import LongtakeError
from harness.units import Unit, plan_units
from slurm.profile import SlurmProfile, StageProfile
from slurm.requests import (
    GIB,
    Request,
    check_time,
    evaluation_request,
    fitting,
    generation_request,
    host_gib,
    reaches_back,
    report_request,
)

WEIGHTS, KV = round(2.84e9), 287_500_000


def units_of(*arguments: str) -> list[Unit]:
    return plan_units(load_sweep(["prompts.num=1", *arguments]))


def test_retrieval_needs_memory_that_grows_with_the_duration() -> None:
    memory = [host_gib(WEIGHTS, KV, n, kv_host_gib=200, gpus=1) for n in (12, 120, 240, 480)]
    assert memory == sorted(memory)
    assert memory[3] - memory[2] == pytest.approx(240 * KV / GIB)


def test_the_host_tier_is_capped() -> None:
    assert host_gib(0, KV, 480, 48, gpus=1) == host_gib(0, KV, 4800, 48, gpus=1)
    assert host_gib(0, KV, 480, 48, gpus=0) < host_gib(0, KV, 480, 48, gpus=1)


@pytest.mark.parametrize(
    ("method", "reaches"),
    [
        ("sliding_window", False),
        ("sliding_window_absolute", False),
        ("rag", True),
        ("recency", True),
    ],
)
def test_who_reaches_back_is_found_out_by_asking(method: str, reaches: bool) -> None:
    (unit,) = units_of(f"method={method}", "duration=30")
    assert reaches_back(unit) is reaches


def test_a_request_follows_method_and_duration() -> None:
    def memory(method: str, duration: int) -> float:
        units = units_of(f"method={method}", f"duration={duration}")
        return generation_request(units, 60, SlurmProfile(), "auto", 48).mem_gib

    assert memory("rag", 120) > memory("rag", 30) > memory("sliding_window", 30)
    assert memory("sliding_window", 120) == memory("sliding_window", 30)


def test_gpus_cpus_and_time_are_derived_and_can_be_given() -> None:
    units = units_of("method=rag", "duration=30")
    derived = generation_request(units, 1800, SlurmProfile(partition="gpu"), "auto", 48)
    assert (derived.partition, derived.gpus, derived.cpus, derived.time_min) == ("gpu", 1, 8, 70)
    assert generation_request(units, 1800, SlurmProfile(), "cpu", 48).gpus == 0
    given = SlurmProfile(generate=StageProfile("big", 2, 3, 1.5, 45))
    assert generation_request(units, 1800, given, "auto", 48) == Request("big", 2, 3, 1.5, 45)


def test_scoring_and_report_need_no_gpu_unless_told() -> None:
    assert evaluation_request(600, SlurmProfile()).gpus == 0
    profile = SlurmProfile(evaluate=StageProfile(gpus=1, partition="small"))
    assert evaluation_request(600, profile).gpus == 1
    assert evaluation_request(600, profile).partition == "small"
    assert report_request(100_000, SlurmProfile()).mem_gib >= 9


def test_a_partition_caps_the_time_and_a_tiny_limit_is_refused() -> None:
    request = Request(None, 1, 8, 16, 700)
    assert fitting(request, 240).time_min == 240
    assert fitting(request, None).time_min == 700
    check_time(request, 120)
    with pytest.raises(LongtakeError, match="time_min"):
        check_time(fitting(request, 2), 120)
