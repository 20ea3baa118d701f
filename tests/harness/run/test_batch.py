"""Units made in step: the files of one by one, whatever happens to one of them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.sweep import load_sweep
from harness.core.errors import DeviceLost
from harness.core.events import Event, EventKind
from harness.run import sweep as sweeping
from harness.run.course import Course
from harness.run.processes import ProcessPool
from harness.run.shared_time import SharedTime
from harness.run.worker import run_shard
from harness.store.record import Generation
from harness.store.run_store import RunStore
from harness.store.shards import Shard
from harness.store.summaries import RecordSummary
from harness.store.units import Unit, plan_units
from tests.harness.run.shards import Heard, after, never, shard_of, units_of
from tests.harness.support import small

# Of the units of a row, that of seed 1 meets trouble before its second block.
TROUBLED = """
import os, signal
from dataclasses import dataclass, replace
from pathlib import Path
import torch
from methods.rag import Rag

@dataclass
class Troubled(Rag):
    def reset(self, rollout):
        super().reset(rollout)
        self.seed = rollout.seed

    def plan(self, first_frame):
        if self.seed == 1 and first_frame == 3:
            trouble = Path("trouble").read_text()
            if trouble == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if trouble == "lost":
                raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
            if trouble == "failed":
                raise RuntimeError("no plan today")
            if trouble == "other":
                plan = super().plan(first_frame)
                moved = (tuple(p + 1 for p in ps) for ps in (plan.positions, plan.query_positions))
                return replace(plan, **dict(zip(("positions", "query_positions"), moved)))
        return super().plan(first_frame)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "troubled", raising=False)
    Path("troubled.py").write_text(TROUBLED)
    return RunStore(tmp_path / "store")


def troubled(trouble: str, num_units: int, num_blocks: int = 2) -> tuple[Unit, ...]:
    Path("trouble").write_text(trouble)
    seeds = ",".join(map(str, range(num_units)))
    return units_of("method=troubled:Troubled", f"seed={seeds}", num_blocks=num_blocks)


def in_step(store: RunStore, units: tuple[Unit, ...], batch: int) -> Shard:
    return replace(shard_of(store, units), batch=batch)


def files_of(store: RunStore, unit: Unit) -> list[bytes]:
    folder = store.unit_dir(unit.id)
    paths = (store.latents_path(unit.id), folder / "video.mp4", folder / "trace.jsonl")
    return [path.read_bytes() for path in paths]


def generation(store: RunStore, unit: Unit) -> Generation:
    record = store.record(unit.id)
    assert record and record.generation
    return record.generation


def test_units_in_step_are_the_same_files_also_after_a_stop(
    store: RunStore, tmp_path: Path
) -> None:
    units = units_of("method=rag", "seed=0,1,2", num_blocks=6)
    alone = RunStore(tmp_path / "alone")
    run_shard(shard_of(alone, units), Heard(), never)
    heard = Heard()
    run_shard(in_step(store, units, 2), heard, after(6))  # in the middle of both
    assert set(heard.ends()) == {(EventKind.interrupted, unit.id) for unit in units[:2]}
    again = Heard()
    run_shard(in_step(store, units, 3), again, never)
    assert again.ends() == [(EventKind.done, unit.id) for unit in units]
    assert len({event.item for event in again.events if event.replayed}) == 2
    for unit in units:
        assert files_of(store, unit) == files_of(alone, unit)
    assert [generation(alone, unit).batch for unit in units] == [1, 1, 1]
    # Replayed blocks take fewer passes, so the new one is by itself in the end.
    batches = [generation(store, unit).batch for unit in units]
    assert batches[:2] == [3, 3] and 2 < batches[2] < 3


def test_a_record_tells_the_units_that_were_in_step_and_the_part_of_each(store: RunStore) -> None:
    units = units_of("seed=0,1,2", num_blocks=4)
    began_s = time.perf_counter()
    run_shard(in_step(store, units, 2), Heard(), never)
    took_s = time.perf_counter() - began_s
    assert [generation(store, unit).batch for unit in units] == [2, 2, 1]
    first, second, last = (generation(store, unit).timings_s for unit in units)
    assert sum(times["end_to_end"] for times in (first, second, last)) <= took_s
    assert "steady_block" in last and not {"denoise", "steady_block"} & set(first)
    records = [store.record(unit.id) for unit in units]
    settings = [str(RecordSummary.of(record).setting) for record in records if record]
    assert settings[0] == settings[1] and ", 2 videos in step, " in settings[0]
    assert "in step" not in settings[2]


def test_time_is_shared_by_those_that_are_still_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("harness.run.shared_time.time.perf_counter", lambda: now_s)
    shared = SharedTime(3)
    now_s = 106.0
    assert shared.part_s() == 2
    shared.leave()
    now_s = 110.0
    shared.leave()
    now_s = 111.0
    assert shared.part_s() == 2 + 2 + 1


def test_a_unit_that_fails_leaves_those_beside_it(store: RunStore) -> None:
    units, heard = troubled("failed", 3, num_blocks=4), Heard()
    run_shard(in_step(store, units, 3), heard, never)
    assert heard.ends() == [
        (EventKind.failed, units[1].id),
        (EventKind.done, units[0].id),
        (EventKind.done, units[2].id),
    ]
    # Three in the first block, and in the second one of those that begin it before it fails.
    assert [generation(store, unit).batch for unit in (units[0], units[2])] == [2.5, 2.25]


def test_a_unit_whose_saved_plan_changed_starts_over_beside_the_others(
    store: RunStore, tmp_path: Path
) -> None:
    units, heard = troubled("none", 2, num_blocks=6), Heard()
    run_shard(in_step(store, units, 2), heard, after(8))
    Path("trouble").write_text("other")
    run_shard(in_step(store, units, 2), heard, never)
    ((_, noted),) = heard.of(EventKind.note)
    assert noted == units[1].id and len(heard.ends()) == 4
    alone = RunStore(tmp_path / "alone")
    run_shard(shard_of(alone, units), Heard(), never)
    for unit in units:
        assert files_of(store, unit) == files_of(alone, unit)


def test_a_lost_device_ends_the_shard_and_fails_no_unit_in_step(store: RunStore) -> None:
    units, heard = troubled("lost", 2), Heard()
    with pytest.raises(DeviceLost, match="an illegal memory access"):
        run_shard(in_step(store, units, 2), heard, never)
    assert heard.ends() == [] and not list(store.root.rglob("*.mp4*"))
    assert not list(store.claims_dir.iterdir())


def test_a_unit_that_was_taken_over_leaves_and_the_others_go_on(store: RunStore) -> None:
    units, heard = units_of("seed=0,1,2", num_blocks=3), Heard()

    def take_over(event: Event) -> None:
        heard(event)
        if (event.item, event.amount) == (units[1].id, 3) and not heard.ends():
            store.claim_path(units[1].id).unlink(missing_ok=True)

    run_shard(in_step(store, units, 3), take_over, never)
    # What another process was taken to make comes last, by itself.
    assert heard.ends() == [(EventKind.done, units[index].id) for index in (0, 2, 1)]
    assert generation(store, units[1]).batch == 1 and generation(store, units[2]).batch > 1


def test_of_units_in_step_only_one_that_ends_its_process_alone_is_blamed(
    store: RunStore, tmp_path: Path
) -> None:
    units, heard = troubled("killed", 4), Heard()
    ProcessPool([in_step(store, units, 2)], 1, []).run(heard, never)
    ((_, noted),) = heard.of(EventKind.note)
    assert noted in {units[0].id, units[1].id}
    assert heard.ends() == [
        (EventKind.done, units[2].id),
        (EventKind.done, units[3].id),
        (EventKind.done, units[0].id),
        (EventKind.failed, units[1].id),
    ]
    assert "was ended by SIGKILL" in heard.text(units[1].id)
    assert [generation(store, unit).batch for unit in (units[2], units[0])] == [2, 1]
    alone = RunStore(tmp_path / "alone")
    run_shard(shard_of(alone, units[:1]), Heard(), never)
    assert files_of(store, units[0]) == files_of(alone, units[0]), "also after the kill"


def test_units_in_step_that_lost_a_device_are_tried_alone_before_any_counts(
    store: RunStore,
) -> None:
    units = units_of("seed=0,1,2")
    ids = [unit.id for unit in units]
    shard = in_step(store, units, 2)
    pool, course = ProcessPool([shard], 1, []), Course(ids, 2)
    pool._waiting.get()
    for item in ids[:2]:
        course.follow(Event(EventKind.progress, item))
    pool._try_again(shard, course, "The GPU or its driver failed: CUDA error.", "")
    queued = [pool._waiting.get_nowait() for _ in range(2)]
    assert [(shard.items, shard.batch) for shard in queued] == [(ids[2:], 2), (ids[:2], 1)]
    assert not pool._lost_with


def test_what_may_have_ended_the_command_comes_last_and_alone(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_sweep(small("seed=0,1,2", "prompts.num=1", "duration=0.75", "batch=3"))
    units, shards = plan_units(config), list[Shard]()
    monkeypatch.setattr(sweeping, "run_shards", lambda some, *_: shards.extend(some))
    sweeping.run_generation(units, config.settings, Heard(), never, {units[0].id, units[1].id})
    assert [(shard.items, shard.batch) for shard in shards] == [
        ([units[2].id], 3),
        ([units[0].id, units[1].id], 1),
    ]


def test_a_model_without_a_pass_for_several_says_that_it_makes_one(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    model = ("backbone=examples.own_model:MosaicBackbone", "prompts.num=1", "suite=[]")
    units = tuple(plan_units(load_sweep([*model, "duration=1", "seed=0,1", "device=cpu"])))
    heard = Heard()
    run_shard(in_step(store, units, 2), heard, never)
    (note,) = (event.text for event in heard.events if event.kind is EventKind.note)
    assert note == "batch=2 has no effect: its model computes one video at a time"
    assert [generation(store, unit).batch for unit in units] == [1, 1]
