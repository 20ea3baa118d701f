from __future__ import annotations

import pytest

from eval.scoring.suite import Suite, find_suite
from harness.config.slurm_profile import SlurmProfile, StageProfile
from harness.config.sweep import load_sweep
from harness.store.shards import Evaluation
from harness.store.units import Unit, plan_units
from slurm.plan.resources import (
    GIB,
    Need,
    Request,
    evaluation_gpus,
    evaluation_request,
    evaluation_s,
    generation_request,
    host_gib,
    need_of,
    report_request,
)

KV = 287_500_000


def units_of(*arguments: str) -> list[Unit]:
    return plan_units(load_sweep(["prompts.num=1", *arguments]))


def suites(*names: str) -> list[Suite]:
    return [find_suite(name) for name in names]


def test_the_past_needs_memory_up_to_the_cap() -> None:
    memory = [host_gib(Need(0, KV * n), kv_host_gib=48, gpus=1) for n in (12, 120, 240, 480)]
    assert memory[1] - memory[0] == pytest.approx(108 * KV / GIB)
    assert memory[2] == memory[3] == memory[0] - 12 * KV / GIB + 48
    assert host_gib(Need(GIB, 0), 48, 1) - host_gib(Need(0, 0), 48, 1) == 2


def test_units_in_step_need_their_past_each_and_share_the_cap() -> None:
    one, two, many = (host_gib(Need(GIB, 40 * GIB), 100, 1, in_step=n) for n in (1, 2, 9))
    assert two - one == pytest.approx(40.5)
    assert many - one == pytest.approx(100 - 40 + 8 * 0.5)


def test_retrieval_keeps_the_whole_video_and_a_window_does_not() -> None:
    def kv_bytes(method: str, duration: int) -> int:
        (unit,) = units_of(f"method={method}", f"duration={duration}")
        return need_of(unit).kv_bytes

    assert kv_bytes("rag", 120) > 3 * kv_bytes("rag", 30) > 3 * kv_bytes("sliding_window", 30)
    assert kv_bytes("sliding_window", 120) == kv_bytes("sliding_window", 30)


@pytest.mark.slow
def test_a_request_follows_method_and_duration() -> None:
    """At the size of a released model."""

    def memory(method: str, duration: int) -> float:
        (unit,) = units_of(
            "backbone=self_forcing",
            "backbone.weights=random",
            f"method={method}",
            f"duration={duration}",
        )
        return generation_request(need_of(unit), 60, SlurmProfile(), "auto", 200).mem_gib

    assert memory("rag", 120) > memory("rag", 30) + 90
    assert memory("rag", 30) > memory("sliding_window", 30)
    assert memory("sliding_window", 120) == memory("sliding_window", 30)


def test_gpus_cpus_and_time_are_derived_and_can_be_set() -> None:
    need = Need(0, 0)
    derived = generation_request(need, 1800, SlurmProfile(partition="gpu"), "auto", 48)
    assert (derived.partition, derived.gpus, derived.cpus, derived.time_min) == ("gpu", 1, 8, 70)
    assert generation_request(need, 1800, SlurmProfile(), "cpu", 48).gpus == 0
    given = SlurmProfile(generate=StageProfile("big", 2, 3, 1.5, 45))
    assert generation_request(need, 1800, given, "auto", 48) == Request("big", 2, 3, 1.5, 45)


def test_scoring_requests_a_gpu_only_if_a_suite_can_use_one() -> None:
    profile = SlurmProfile()
    assert evaluation_gpus(suites("offline", "flow_motion"), profile, "auto") == 0
    assert evaluation_gpus(suites("offline", "vbench_long"), profile, "auto") == 1
    assert evaluation_gpus(suites("vbench_long"), profile, "cpu") == 0
    for gpus in (0, 2):
        given = SlurmProfile(evaluate=StageProfile(gpus=gpus, partition="small"))
        assert evaluation_gpus(suites("offline"), given, "auto") == gpus
        assert evaluation_gpus(suites("vbench_long"), given, "auto") == gpus
        assert evaluation_request(600, given, gpus).gpus == gpus
        assert evaluation_request(600, given, gpus).partition == "small"


def test_time_to_score_depends_on_suite_clips_and_device() -> None:
    def seconds(suite: str, gpus: int) -> float:
        return evaluation_s(Evaluation("u", suite, "", {"30": 480}), find_suite(suite), gpus)

    assert seconds("aesthetic_quality", 1) == seconds("vbench_long", 1)
    assert seconds("offline", 0) == seconds("offline", 1) == 15
    assert seconds("vbench_long", 0) > 10 * seconds("vbench_long", 1) > 10 * seconds("offline", 1)


def test_report_memory_grows_with_the_units() -> None:
    assert report_request(100_000, SlurmProfile()).mem_gib >= 9
