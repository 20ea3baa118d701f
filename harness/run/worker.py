"""The worker: runs one shard. A unit that fails is recorded and does not stop the others."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from harness.core.devices import memory_hint, pick_device
from harness.core.errors import LongtakeError
from harness.core.events import Emit, Event, EventKind, Interrupted, StopRequested
from harness.core.machine import prepare_process
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage

if TYPE_CHECKING:
    import torch

    from backbones.engine.backbone import BackboneSource
    from eval.scoring.scorer import Scorer
    from harness.store.units import Unit


def run_shard(shard: Shard, emit: Emit, stop_requested: StopRequested) -> None:
    """Do everything in a shard; return early once asked to stop."""
    prepare_process(shard.threads)
    if shard.stage is Stage.generate:
        _generate(shard, emit, stop_requested)
    else:
        _evaluate(shard, emit, stop_requested)


@contextmanager
def stopping_on_signals() -> Iterator[StopRequested]:
    """Turns SIGINT or SIGTERM into a request to stop; a second SIGINT interrupts at once."""
    received: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        if received and signum == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(signum)

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _generate(shard: Shard, emit: Emit, stop_requested: StopRequested) -> None:
    from harness.core.determinism import strictly_deterministic
    from harness.run.generate import generate_unit
    from harness.run.prepared import PreparedUnit
    from harness.store.units import build_backbone

    store = RunStore(Path(shard.store))
    first = shard.units[0]
    emit(Event(EventKind.loading, text=first.backbone))
    units = list(shard.units)
    try:
        device = pick_device(shard.device)
        source = build_backbone(first.family, first.backbone_args)
        units = _those_that_fit(shard, source, device, store, emit)
        if not units:
            return
        backbone = source.load(device, [unit.prompt for unit in units])
    except Exception as error:
        for unit in units:
            _fail(store, unit.id, error, emit)
        return
    for unit in units:
        if stop_requested():
            return
        if store.finished(unit) is not None:  # by another worker, after this shard was planned
            emit(Event(EventKind.done, unit.id))
            continue
        started = time.perf_counter()

        def on_block(num_latents: int, replayed: bool, unit: Unit = unit) -> None:
            emit(Event(EventKind.progress, unit.id, amount=num_latents, replayed=replayed))

        on_block(0, False)
        try:
            prepared = PreparedUnit.of(unit, source)
            prepared.check_identity()
            with strictly_deterministic(shard.runtime.deterministic):
                generate_unit(
                    prepared,
                    backbone,
                    store,
                    shard.runtime,
                    shard.save_every_blocks,
                    on_block,
                    stop_requested,
                )
        except Interrupted:
            emit(Event(EventKind.interrupted, unit.id))
            return
        except Exception as error:
            _fail(store, unit.id, error, emit)
        else:
            emit(Event(EventKind.done, unit.id, seconds=time.perf_counter() - started))


def _those_that_fit(
    shard: Shard, source: BackboneSource, device: torch.device, store: RunStore, emit: Emit
) -> list[Unit]:
    """Return the units that memory suffices for; the others fail before anything is loaded."""
    from harness.run.prepared import PreparedUnit

    # Units of one row and length differ in prompt and seed only, and need the same memory.
    refusals: dict[tuple[str, int], LongtakeError | None] = {}
    fitting = []
    for unit in shard.units:
        row = (unit.row_id, unit.num_latents)
        if row not in refusals:
            refusals[row] = None
            try:
                PreparedUnit.of(unit, source).check_memory(shard.runtime.kv, device)
            except LongtakeError as error:
                refusals[row] = error
        if refusal := refusals[row]:
            _fail(store, unit.id, refusal, emit)
        else:
            fitting.append(unit)
    return fitting


def _evaluate(shard: Shard, emit: Emit, stop_requested: StopRequested) -> None:
    from eval.scoring.scorer import Scorer
    from eval.scoring.suite import find_suite

    store = RunStore(Path(shard.store))
    scorers: dict[str, Scorer] = {}
    for task in shard.evaluations:
        if stop_requested():
            return
        started = time.perf_counter()
        emit(Event(EventKind.progress, task.item))
        try:
            if task.suite not in scorers:
                emit(Event(EventKind.loading, text=f"suite {task.suite}"))
                device = str(pick_device(shard.device))
                scorers[task.suite] = Scorer(find_suite(task.suite), device)
            _score(task, store, scorers[task.suite], emit, stop_requested)
        except Interrupted:
            emit(Event(EventKind.interrupted, task.item))
            return
        except Exception as error:
            _fail(store, task.item, error, emit)
        else:
            emit(Event(EventKind.done, task.item, seconds=time.perf_counter() - started))


def _score(
    task: Evaluation, store: RunStore, scorer: Scorer, emit: Emit, stop_requested: StopRequested
) -> None:
    from eval.scoring.scorer import Workspace
    from eval.video.decode import VideoDamaged

    record = store.record(task.unit_id)
    assert record is not None, "only finished units are evaluated"

    def progress(num_clips: int, _: int) -> None:
        emit(Event(EventKind.progress, task.item, amount=num_clips))
        if stop_requested():
            raise Interrupted

    video = store.unit_dir(task.unit_id) / record.video.file
    workspace = Workspace(store.workspace / "clips", store.workspace / "features")
    try:
        scores = scorer.score(
            video, task.prompt, task.durations_frames, task.unit_id, progress, workspace
        )
        if scores.video_sha256 != record.video.sha256:
            raise VideoDamaged(f"{video.name} is not the video that its record describes.")
    except VideoDamaged:
        store.discard_record(record)  # so that the next round makes the video again
        raise
    store.write_scores(scores)
    store.clear_failure(task.item)


def _fail(store: RunStore, item: str, error: Exception, emit: Emit) -> None:
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(error, LongtakeError):
        place = traceback.extract_tb(error.__traceback__)[-1]
        text += f" ({Path(place.filename).name}:{place.lineno} in {place.name})"
    text += memory_hint(error)
    details = "".join(traceback.format_exception(error))
    try:
        store.write_failure(item, text, details)
    except OSError as unwritable:
        text = f"{text} (and that can't be saved: {unwritable})"
    emit(Event(EventKind.failed, item, text=text))
