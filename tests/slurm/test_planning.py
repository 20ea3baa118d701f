from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.slurm_profile import SlurmProfile, StageProfile
from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.run.sweep import make_shard
from harness.store.shards import Stage
from harness.store.units import plan_units
from slurm.dispatch import Dispatcher
from slurm.planning import Limits, Plan, PlannedArray, Planner
from slurm.submission import JobStage
from slurm.work import Work, asked_for

LIMITS = Limits(4, 10_000, {"gpu": 60}, "gpu")


def work_of(tmp_path: Path, *arguments: str) -> Work:
    """Two methods, 16 prompts, a minute to a video."""
    config = load_sweep(
        ["method=sliding_window,rag", "duration=30", f"runs={tmp_path}", *arguments]
    )
    generate, evaluate = (make_shard(config.settings, stage) for stage in Stage)
    settings = config.settings
    return asked_for(plan_units(config), settings.duration, settings.suite, generate, evaluate)


def plan_of(work: Work, limits: Limits = LIMITS, **profile: object) -> Plan:
    planner = Planner(SlurmProfile(shard_min=2, **profile), limits, lambda unit: 60.0)  # type: ignore[arg-type]
    return planner.plan(work.generate, work.evaluate, [], set(), 32)


def devices(array: PlannedArray) -> set[str]:
    return {array.shard_of(piece).device for piece in array.pieces}


def test_methods_with_different_memory_share_no_array_and_arrays_are_split(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    assert [(array.stage, len(array.pieces), array.after) for array in plan.arrays] == [
        (JobStage.generate, 4, None),
        (JobStage.evaluate, 4, 0),
        (JobStage.generate, 4, None),
        (JobStage.evaluate, 4, 2),
        (JobStage.generate, 4, None),
        (JobStage.evaluate, 4, 4),
        (JobStage.generate, 4, None),
        (JobStage.evaluate, 4, 6),
        (JobStage.report, 1, None),
    ]
    methods = [
        {unit.method for piece in array.pieces for unit in piece.shard.units}
        for array in plan.arrays
        if array.stage is JobStage.generate
    ]
    assert methods == [{"sliding_window"}] * 2 + [{"rag"}] * 2


def test_scores_follow_their_own_shard(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    for array in plan.arrays:
        if array.after is not None:
            for made, scored in zip(plan.arrays[array.after].pieces, array.pieces, strict=True):
                ids = {unit.id for unit in made.shard.units}
                assert {task.unit_id for task in scored.shard.evaluations} == ids


def test_the_chain_of_dependencies(tmp_path: Path, fake_slurm) -> None:
    fake_slurm({})
    plan = plan_of(work_of(tmp_path, "prompts.num=4"))
    dispatcher = Dispatcher(tmp_path / "main", SlurmProfile(), ("sweep",), "/")
    names = [f"<longtake-main-dry-run-{n}-{a.stage}>" for n, a in enumerate(plan.arrays)]
    dependencies = [
        line.partition("=")[2].strip("'")
        for text in dispatcher.scripts(plan)
        for line in text.splitlines()
        if "--dependency" in line
    ]
    assert dependencies == [
        f"aftercorr:{names[0]}",
        f"aftercorr:{names[2]}",
        f"afterany:{':'.join(names[:-1])}",
    ]


def test_a_task_that_asks_for_a_gpu_must_find_one(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    assert devices(plan.arrays[0]) == {"cuda"}
    assert devices(plan.arrays[1]) == {"cpu"}
    plan = plan_of(work_of(tmp_path), generate=StageProfile(gpus=0))
    assert devices(plan.arrays[0]) == {"auto"}


def test_gpu_hours_are_counted(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    assert plan.gpu_hours == pytest.approx(32 * 60 / 3600)
    assert plan.most_gpu_hours == pytest.approx(16 * 14 / 60)


def test_threads_are_the_cpus_asked_for(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path), generate=StageProfile(cpus=3))
    array = plan.arrays[0]
    assert {array.shard_of(piece).threads for piece in array.pieces} == {3}


@pytest.mark.parametrize(
    ("settings", "gpus", "device"),
    [
        (["suite=offline"], 0, "cpu"),
        (["suite=aesthetic_quality"], 1, "cuda"),
        (["suite=offline,vbench_long"], 1, "cuda"),
        (["suite=vbench_long", "device=cpu"], 0, "cpu"),
    ],
)
def test_scoring_runs_on_what_it_asked_for(
    tmp_path: Path, settings: list[str], gpus: int, device: str
) -> None:
    plan = plan_of(work_of(tmp_path, *settings))
    scored = [array for array in plan.arrays if array.stage is JobStage.evaluate]
    assert {array.request.gpus for array in scored} == {gpus}
    assert set().union(*map(devices, scored)) == {device}


def test_more_tasks_than_the_cluster_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match=r"33 array tasks, .* at most 20 .*shard_min"):
        plan_of(work_of(tmp_path), replace(LIMITS, max_jobs=20))


def test_scores_of_units_that_others_make_wait_for_them(tmp_path: Path) -> None:
    work = work_of(tmp_path, "prompts.num=1")
    unit = work.generate[0].units[0]
    planner = Planner(SlurmProfile(), LIMITS, lambda unit: 60.0)
    plan = planner.plan([], work.evaluate, ["7", "8"], {unit.id}, None)
    assert [array.after_jobs for array in plan.arrays] == [(), ("7", "8")]
    (waiting,) = plan.arrays[1].pieces
    assert [task.unit_id for task in waiting.shard.evaluations] == [unit.id]


@pytest.mark.parametrize(
    ("partition", "limit"),
    [(None, 60), ("long", 600), ("gpu,long", 60), ("long,free", 600), ("free", None)],
)
def test_of_several_partitions_the_shortest_time_counts(
    partition: str | None, limit: int | None
) -> None:
    limits = replace(LIMITS, max_time_min={"gpu": 60, "long": 600, "free": None})
    assert limits.of(partition) == limit
