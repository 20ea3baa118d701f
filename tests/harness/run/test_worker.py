"""The worker on shards of one-block videos: its reports, records and leftovers for others."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from harness.core.errors import DeviceLost, DiskError
from harness.core.events import Event, EventKind
from harness.run.processes import ProcessPool
from harness.run.worker import run_shard, stopping_on_signals
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage
from harness.store.units import Unit
from tests.harness.run.shards import FAILING, LOSING, Heard, after, never, shard_of, units_of
from tests.small import WEIGHTS


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return RunStore(tmp_path / "store")


def scoring(
    store: RunStore,
    units: tuple[Unit, ...],
    *suites: str,
    frames: Mapping[str, int] = MappingProxyType({"0.75": 9}),
) -> Shard:
    tasks = tuple(Evaluation(u.id, suite, "", dict(frames)) for u in units for suite in suites)
    return replace(shard_of(store, ()), stage=Stage.evaluate, evaluations=tasks)


def made(store: RunStore, *overrides: str) -> tuple[Unit, ...]:
    units = units_of(*overrides)
    run_shard(shard_of(store, units), Heard(), never)
    return units


def test_every_unit_is_reported_from_start_to_end(store: RunStore) -> None:
    units = units_of("seed=0,1", num_blocks=2)
    heard = Heard()
    run_shard(shard_of(store, units), heard, never)
    assert heard.events[0] == Event(EventKind.loading, text=units[0].backbone)
    for unit in units:
        amounts = [e.amount for e in heard.events if (e.kind, e.item) == ("progress", unit.id)]
        assert amounts == [0, 3, 6]
        assert store.finished(unit) is not None
    assert heard.ends() == [(EventKind.done, unit.id) for unit in units]


def test_units_that_another_worker_finished_are_not_made_again(store: RunStore) -> None:
    units = made(store)
    heard = Heard()
    run_shard(shard_of(store, units), heard, never)
    assert heard.ends() == [(EventKind.done, units[0].id)]
    assert not heard.of(EventKind.progress)


def test_a_unit_that_raises_is_recorded_and_the_next_one_made(store: RunStore) -> None:
    Path("failing_worker.py").write_text(FAILING)
    units = units_of("method=failing_worker:Failing,sliding_window")
    heard = Heard()
    run_shard(shard_of(store, units), heard, never)
    bad, good = units
    assert heard.ends() == [(EventKind.failed, bad.id), (EventKind.done, good.id)]
    # The message names the place of the error, because this is not a mistake of the user.
    assert heard.text(bad.id).startswith("RuntimeError: no plan today (failing_worker.py:8 in plan")
    failure = json.loads((store.unit_dir(bad.id) / "failure.json").read_text())
    assert failure["error"] == heard.text(bad.id)
    assert "Traceback" in failure["traceback"]


def test_a_lost_device_ends_the_shard_and_fails_no_unit(store: RunStore) -> None:
    Path("losing_worker.py").write_text(LOSING)
    lost, next_one = units_of("method=losing_worker:Always,sliding_window")
    heard = Heard()
    with pytest.raises(DeviceLost, match="an illegal memory access"):
        run_shard(shard_of(store, (lost, next_one)), heard, never)
    assert heard.ends() == []
    assert not (store.unit_dir(lost.id) / "failure.json").exists()
    assert store.finished(next_one) is None


@pytest.mark.slow
def test_a_lost_device_costs_one_attempt_and_a_second_one_the_unit(store: RunStore) -> None:
    Path("losing_processes.py").write_text(LOSING)
    methods = ("losing_processes:Once", "losing_processes:Always", "sliding_window")
    once, always, plain = units_of(f"method={','.join(methods)}")
    heard = Heard()
    ProcessPool([shard_of(store, (once, always, plain))], 1, []).run(heard, never)
    assert [item for _, item in heard.of(EventKind.note)] == [once.id, always.id]
    assert heard.ends() == [
        (EventKind.done, once.id),
        (EventKind.failed, always.id),
        (EventKind.done, plain.id),
    ]
    assert "an illegal memory access" in heard.text(always.id)


def test_a_backbone_that_cannot_be_loaded_fails_every_unit_of_the_shard(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    weights = shutil.copy(WEIGHTS, tmp_path / "street.safetensors")
    units = units_of(f"backbone.weights={weights}", "seed=0,1")
    Path(weights).unlink()
    heard = Heard()
    run_shard(shard_of(store, units), heard, never)
    assert heard.ends() == [(EventKind.failed, unit.id) for unit in units]


def test_a_failure_that_cannot_be_written_is_still_reported(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    Path("failing_disk.py").write_text(FAILING)
    units = units_of("method=failing_disk:Failing")
    monkeypatch.setattr(RunStore, "write_failure", full)
    heard = Heard()
    run_shard(shard_of(store, units), heard, never)
    assert "no plan today" in heard.text(units[0].id)
    assert "No space left on device" in heard.text(units[0].id)


def test_a_full_disk_ends_the_shard_after_the_failure_it_could_not_record(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path("failing_full.py").write_text(FAILING)
    units = units_of("method=failing_full:Failing,sliding_window")
    monkeypatch.setattr(RunStore, "write_failure", full)
    heard = Heard()
    with pytest.raises(DiskError, match="No space is left on the disk"):
        run_shard(shard_of(store, units), heard, never)
    assert heard.ends() == [(EventKind.failed, units[0].id)]


def test_nothing_begins_after_a_request_to_stop(store: RunStore) -> None:
    heard = Heard()
    run_shard(shard_of(store, units_of("seed=0,1")), heard, lambda: True)
    assert not heard.of(EventKind.progress, EventKind.done)


def test_a_unit_that_is_stopped_keeps_its_blocks_and_continues(store: RunStore) -> None:
    units = units_of(num_blocks=4)
    heard = Heard()
    run_shard(shard_of(store, units), heard, after(2))
    assert heard.ends() == [(EventKind.interrupted, units[0].id)]
    assert list((store.unit_dir(units[0].id) / "partial").iterdir())
    again = Heard()
    run_shard(shard_of(store, units), again, never)
    assert again.ends() == [(EventKind.done, units[0].id)]
    assert any(event.replayed for event in again.events)


def test_a_finished_video_is_scored_suite_by_suite(store: RunStore) -> None:
    units = made(store)
    heard = Heard()
    run_shard(scoring(store, units, "flicker_stability", "flow_motion"), heard, never)
    items = [f"{suite}:{units[0].id}" for suite in ("flicker_stability", "flow_motion")]
    assert heard.ends() == [(EventKind.done, item) for item in items]
    loaded = [event.text for event in heard.events if event.kind is EventKind.loading]
    assert loaded == ["suite flicker_stability", "suite flow_motion"]
    for suite in ("flicker_stability", "flow_motion"):
        assert (store.root / "metrics" / suite / f"{units[0].id}.json").is_file()


@pytest.mark.parametrize("meanwhile", ["all", "a shorter duration", "with a failed metric"])
def test_scores_that_another_command_wrote_meanwhile_count_if_nothing_is_left(
    store: RunStore, meanwhile: str
) -> None:
    suite = "flicker_stability"
    units = units_of("seed=0,1", num_blocks=2)
    run_shard(shard_of(store, units), Heard(), never)
    asked = {"1.5": 21}
    written = {"0.75": 9} if meanwhile == "a shorter duration" else asked
    shard = scoring(store, units, suite, frames=asked)
    stamps = []

    def other_command(event: Event) -> None:
        if event.kind is not EventKind.done or event.item != shard.items[0]:
            return
        run_shard(scoring(store, units[1:], suite, frames=written), Heard(), never)
        scores = store.scores(suite, units[1].id)
        if meanwhile == "with a failed metric":
            store.write_scores(replace(scores, failed={suite: "no memory"}))
        stamps.append(store.scores_path(suite, units[1].id).stat().st_mtime_ns)

    heard = Heard()
    run_shard(shard, lambda event: (heard(event), other_command(event)), never)
    assert heard.ends() == [(EventKind.done, item) for item in shard.items]
    scores = store.scores(suite, units[1].id)
    assert set(scores.durations) == set(written) | set(asked) and not scores.failed
    again = store.scores_path(suite, units[1].id).stat().st_mtime_ns != stamps[0]
    assert again == (meanwhile != "all")


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("ends", ["the block", "the item", "the item that failed here"])
def test_work_that_was_taken_over_is_neither_written_nor_counted_twice(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, stage: Stage, ends: str
) -> None:
    units = units_of("seed=0", num_blocks=2)
    shard, result = shard_of(store, units), store.record_path(units[0].id)
    if stage is Stage.evaluate:
        run_shard(shard, Heard(), never)
        shard = scoring(store, units, "flicker_stability", frames={"1.5": 21})
        result = store.scores_path("flicker_stability", units[0].id)
    heard, stamps = Heard(), []

    def other_command(event: Event) -> None:
        """Take the item over, as if this process had hung here."""
        heard(event)
        if event.kind is EventKind.progress and event.amount and not stamps:
            store.claim_path(units[0].id).unlink()
            stamps.append(0)
            # Names of temporary files are those of a thread.
            other = threading.Thread(target=run_shard, args=(shard, Heard(), never))
            other.start()
            other.join()
            stamps.append(result.stat().st_mtime_ns)
            if "failed" in ends:
                raise RuntimeError("woke up without its network")

    if ends == "the item":  # the claim is looked at before anything is published, too
        monkeypatch.setattr(
            "harness.run.generate.UnitWork._after",
            lambda work, _: work._observers.on_block(work.progress.num_latents, False),
        )
    run_shard(shard, other_command, never)
    assert heard.ends() == [(EventKind.done, shard.items[0])]
    assert stamps == [0, result.stat().st_mtime_ns]
    assert not store.partial_dir(units[0].id).exists()
    assert store.failure(shard.items[0]) is None
    assert not [path for path in store.root.rglob(".*") if path.is_file()]


def test_a_disk_that_cannot_tell_whose_a_claim_is_fails_its_unit_only(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    units, heard = units_of(), Heard()

    def damaged(*_: object) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def damage(event: Event) -> None:
        heard(event)
        if event.kind is EventKind.progress:
            monkeypatch.setattr("harness.store.claims._is_file", damaged)

    run_shard(shard_of(store, units), damage, never)
    assert heard.ends() == [(EventKind.failed, units[0].id)]
    assert os.strerror(errno.EIO) in heard.text(units[0].id)


def test_an_unknown_suite_fails_and_the_next_one_is_scored(store: RunStore) -> None:
    units = made(store)
    heard = Heard()
    run_shard(scoring(store, units, "flicker", "flicker_stability"), heard, never)
    assert [kind for kind, _ in heard.ends()] == [EventKind.failed, EventKind.done]
    assert "Did you mean" in heard.text(f"flicker:{units[0].id}")


def test_a_video_that_is_not_the_recorded_one_loses_its_record(store: RunStore) -> None:
    first, second = made(store, "seed=0,1")
    ours, theirs = (store.unit_dir(unit.id) / "video.mp4" for unit in (first, second))
    ours.write_bytes(theirs.read_bytes())
    heard = Heard()
    run_shard(scoring(store, (first,), "flicker_stability"), heard, never)
    assert "not the video that its record describes" in heard.text(f"flicker_stability:{first.id}")
    assert store.record(first.id) is None, "so that the next command makes the video again"
    assert store.record(second.id) is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request_to_stop(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stopping_on_signals() as stop_requested:
        assert not stop_requested()
        os.kill(os.getpid(), number)
        assert stop_requested()
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts_at_once() -> None:
    with stopping_on_signals() as stop_requested, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_requested()
        os.kill(os.getpid(), signal.SIGINT)  # the same one, that a guard forwards
        time.sleep(0.25)
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
