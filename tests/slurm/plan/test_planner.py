from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.slurm_profile import SlurmProfile, StageProfile
from harness.config.sweep import load_sweep
from harness.core.errors import ConfigError
from harness.run.sweep import make_shard
from harness.store.shards import Stage
from harness.store.units import plan_units
from slurm.plan.arrays import Plan, PlannedArray
from slurm.plan.limits import Limits
from slurm.plan.missing import MissingWork, missing_of_units
from slurm.plan.planner import Planner
from slurm.submission import JobStage
from slurm.submit.dispatch import Dispatcher

LIMITS = Limits(4, 10_000, {"gpu": 60}, "gpu")


def work_of(tmp_path: Path, *arguments: str) -> MissingWork:
    """Return the work of two methods and 16 prompts."""
    config = load_sweep(
        ["method=sliding_window,rag", "duration=30", f"runs={tmp_path}", *arguments]
    )
    generate, evaluate = (make_shard(config.settings, stage) for stage in Stage)
    settings = config.settings
    return missing_of_units(
        plan_units(config), settings.duration, settings.suite, generate, evaluate
    )


def plan_of(work: MissingWork, limits: Limits = LIMITS, **profile: object) -> Plan:
    planner = Planner(SlurmProfile(shard_min=2, **profile), limits, lambda *_: 60.0)  # type: ignore[arg-type]
    return planner.plan(work, [], set(), 32)


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


@pytest.mark.usefixtures("fake_slurm")
def test_the_chain_of_dependencies(tmp_path: Path) -> None:
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


def test_a_task_with_a_gpu_runs_on_cuda(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    assert devices(plan.arrays[0]) == {"cuda"}
    assert devices(plan.arrays[1]) == {"cpu"}
    plan = plan_of(work_of(tmp_path), generate=StageProfile(gpus=0))
    assert devices(plan.arrays[0]) == {"auto"}


def test_gpu_hours_are_counted(tmp_path: Path) -> None:
    plan = plan_of(work_of(tmp_path))
    assert plan.gpu_hours == pytest.approx(32 * 60 / 3600)
    assert plan.most_gpu_hours == pytest.approx(16 * 14 / 60)


def test_threads_are_the_requested_cpus(tmp_path: Path) -> None:
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
def test_scoring_runs_on_the_device_that_it_requests(
    tmp_path: Path, settings: list[str], gpus: int, device: str
) -> None:
    plan = plan_of(work_of(tmp_path, *settings))
    scored = [array for array in plan.arrays if array.stage is JobStage.evaluate]
    assert {array.request.gpus for array in scored} == {gpus}
    assert set().union(*map(devices, scored)) == {device}


def test_time_and_memory_are_those_of_the_units_that_are_in_step(tmp_path: Path) -> None:
    """Two units take 40 s each in step, and 60 s alone."""
    work = work_of(tmp_path, "prompts.num=5", "batch=2", "suite=[]")
    seconds = {1: 60.0, 2: 40.0}
    planner = Planner(SlurmProfile(shard_min=60), LIMITS, lambda _, in_step: seconds[in_step])
    window, _ = planner.plan(work, [], set(), None).arrays
    (piece,) = window.pieces
    assert (piece.seconds, piece.shard.batch) == (4 * 40 + 60, 2)
    seconds[5] = 40.0
    alone, all_at_once = (
        planner.plan(
            replace(work, generate=tuple(replace(s, batch=batch) for s in work.generate)),
            *([], set(), None),
        ).arrays[0]
        for batch in (1, 9)
    )
    assert (alone.pieces[0].seconds, all_at_once.pieces[0].seconds) == (5 * 60, 5 * 40)
    assert all_at_once.request.mem_gib > alone.request.mem_gib


def test_more_tasks_than_the_cluster_holds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"33 array tasks, .* at most 20 .*shard_min"):
        plan_of(work_of(tmp_path), replace(LIMITS, max_jobs=20))


def test_scores_of_units_of_earlier_submissions_wait_for_those_jobs(tmp_path: Path) -> None:
    work = work_of(tmp_path, "prompts.num=1")
    unit = work.generate[0].units[0]
    planner = Planner(SlurmProfile(), LIMITS, lambda *_: 60.0)
    work = replace(work, generate=())
    plan = planner.plan(work, ["7", "8"], {unit.id}, None)
    assert [array.after_jobs for array in plan.arrays] == [(), ("7", "8")]
    (waiting,) = plan.arrays[1].pieces
    assert [task.unit_id for task in waiting.shard.evaluations] == [unit.id]
