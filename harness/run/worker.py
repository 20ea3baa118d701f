"""The worker: runs one shard. A unit that fails is recorded and does not stop the others."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from harness.core.devices import device_lost, memory_hint, pick_device
from harness.core.disk import disk_error
from harness.core.errors import LongtakeError
from harness.core.events import Emit, Event, EventKind, Interrupted, StopRequested
from harness.core.exits import exits_raised, place_of
from harness.core.machine import prepare_process
from harness.core.names import suite_stem
from harness.store.claims import Claim, groups_in_turn
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage, step_groups

if TYPE_CHECKING:
    import torch

    from backbones.engine.backbone import BackboneSource
    from backbones.engine.script import Script
    from backbones.external.backbone import ExternalBackbone
    from eval.scoring.scorer import Scorer
    from harness.store.units import Unit


_T = TypeVar("_T")

# A plug-in that calls sys.exit fails its unit like any other error.
_ENDS_AN_ITEM = (Exception, SystemExit)
# Signals that come within this time are one.
_SAME_SIGNAL_S = 0.2


@exits_raised()
def run_shard(
    shard: Shard, emit: Emit, stop_requested: StopRequested, *, wait_for_others: bool = True
) -> None:
    """Do all work of a shard; return early once asked to stop.

    Args:
        shard: the work.
        emit: called with every event.
        stop_requested: asked between blocks.
        wait_for_others: whether an item that another process works on waits for its end. Else both
            make it, which does no harm: they write the same bytes.

    Raises:
        DiskError: the disk is full or read-only. No item counts as failed, and progress is kept.
        DeviceLost: a GPU failed. No item counts as failed; another process can go on.
    """
    prepare_process(shard.threads, shard.host_workers, shard.device_workers)
    worker = _Worker(shard, emit, stop_requested, wait_for_others)
    if shard.stage is Stage.generate:
        worker.generate()
    else:
        worker.evaluate()


@contextmanager
def stopping_on_signals() -> Iterator[StopRequested]:
    """Turn SIGINT and SIGTERM into a request to stop; a second SIGINT interrupts at once."""
    received: list[float] = []

    def note(signum: int, frame: FrameType | None) -> None:
        # A signal to a process group comes twice: by itself and from the guard.
        again = received and time.monotonic() - received[0] > _SAME_SIGNAL_S
        if again and signum == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(time.monotonic())

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class _Worker:
    """Runs the items of one shard in order."""

    def __init__(
        self, shard: Shard, emit: Emit, stop_requested: StopRequested, wait_for_others: bool
    ) -> None:
        self._shard = shard
        self._listener = emit
        self._claims: list[Claim] = []  # of the work in progress
        self._stop_requested = stop_requested
        self._wait_for_others = wait_for_others
        self._store = RunStore(Path(shard.store))

    def _emit(self, event: Event) -> None:
        if event.kind is EventKind.progress:
            for claim in self._claims:
                claim.moved()
        self._listener(event)

    def generate(self) -> None:
        """Load the backbone that all units of the shard share, and make them."""
        from backbones.external.backbone import ExternalBackbone
        from harness.run.making import UnitMaker
        from harness.run.prepared import check_compiler
        from harness.store.units import build_backbone

        make: Callable[[Sequence[tuple[Unit, Claim]]], None]
        first, units = self._shard.units[0], self._shard.units
        groups = list(step_groups(units, self._shard.batch))
        self._emit(Event(EventKind.loading, text=first.backbone))
        try:
            device = pick_device(self._shard.device)
            source = build_backbone(first.family, first.backbone_args)
            if isinstance(source, ExternalBackbone):
                groups = self._one_by_one(groups, "its command makes")
                make = partial(self._make_with_command, source, device)
            else:
                check_compiler(self._shard.runtime, device)
                groups = self._those_that_fit(groups, source, device)
                units = tuple(unit for group in groups for unit in group)
                if not units:
                    return
                texts = [text for unit in units for text in unit.prompts]
                backbone = source.load(device, texts)
                if not hasattr(backbone.transformer, "passes_together"):
                    groups = self._one_by_one(groups, "its model computes")
                report = (self._emit, self._stop_requested, self._attempted)
                make = UnitMaker(source, backbone, self._shard, *report).make
        except _ENDS_AN_ITEM as error:
            for unit in units:
                self._fail(unit.id, error)
            return
        with closing(self._in_turn(groups, lambda unit: (unit.id, unit.id))) as claimed:
            for group in claimed:
                if self._stop_requested():
                    return
                left = []
                for unit, claim in group:
                    if self._store.finished(unit) is not None:  # by another worker, since planning
                        self._emit(Event(EventKind.done, unit.id))
                    else:
                        left.append((unit, claim))
                if left:
                    make(left)

    def _one_by_one(self, groups: Sequence[Sequence[Unit]], reason: str) -> list[tuple[Unit, ...]]:
        """Return groups of one unit, and say why they are."""
        if self._shard.batch > 1:
            text = f"batch={self._shard.batch} has no effect: {reason} one video at a time"
            self._emit(Event(EventKind.note, groups[0][0].id, text=text))
        return [(unit,) for group in groups for unit in group]

    def evaluate(self) -> None:
        """Score finished units; the networks of a suite are loaded once."""
        scorers: dict[str, Scorer] = {}
        tasks = self._shard.evaluations
        before = {task.item: self._scored_at_ns(task) for task in tasks}
        one_by_one = ((task,) for task in tasks)
        with closing(self._in_turn(one_by_one, lambda t: (t.item, t.unit_id))) as claimed:
            for ((task, claim),) in claimed:
                if self._stop_requested():
                    return
                changed = self._scored_at_ns(task) != before[task.item]  # by another process
                with self._attempted(task.item, claim):
                    self._evaluate(task, scorers, changed, claim)

    def _in_turn(
        self, groups: Iterable[Sequence[_T]], names: Callable[[_T], tuple[str, str]]
    ) -> Generator[list[tuple[_T, Claim]], None, None]:
        """Yield work that no other process is at; `names` returns its item and its unit."""

        def on_note(one: _T, text: str) -> None:
            self._emit(Event(EventKind.note, names(one)[0], text=text))

        claimed = groups_in_turn(
            groups,
            lambda one: self._store.claim_path(names(one)[1]),
            on_note,
            self._stop_requested,
            self._wait_for_others,
        )
        with closing(claimed):
            for group in claimed:
                self._claims = [claim for _, claim in group]
                yield group

    def _scored_at_ns(self, task: Evaluation) -> int:
        """Return the time at which the scores of a unit were written; 0 without any."""
        path = self._store.scores_path(suite_stem(task.suite), task.unit_id)
        try:
            return path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _left_of(self, task: Evaluation) -> Evaluation | None:
        """Return the part of a task that is not scored yet, and what else to keep; None if all is.

        The scores of another command may lack durations, or a metric failed in them.
        """
        from harness.run.left_to_score import CurrentSuite
        from harness.store.summaries import RecordSummary, ScoresSummary

        record = self._store.record(task.unit_id)
        if record is None:
            return task
        current = CurrentSuite(task.suite)
        scores = self._store.scores(current.suite.name, task.unit_id)
        return current.left_to_score(
            task.unit_id,
            RecordSummary.of(record),
            ScoresSummary.of(scores) if scores else None,
            task.prompts,
            task.durations_frames,
        )

    @contextmanager
    def _attempted(self, item: str, claim: Claim) -> Iterator[None]:
        """Report how the work of one item inside the block ends.

        Nothing is reported if its claim got lost meanwhile: the item comes again. An item is
        interrupted only after a request to stop.
        """
        started = time.perf_counter()
        self._emit(Event(EventKind.progress, item))
        try:
            yield
        except Interrupted:
            self._emit(Event(EventKind.interrupted, item))
        except _ENDS_AN_ITEM as error:
            if not claim.is_lost:
                self._fail(item, error)
        else:
            self._emit(Event(EventKind.done, item, seconds=time.perf_counter() - started))

    def _those_that_fit(
        self, groups: Sequence[Sequence[Unit]], source: BackboneSource, device: torch.device
    ) -> list[tuple[Unit, ...]]:
        """Return the units that memory suffices for; the others fail before anything is loaded."""
        from harness.run.prepared import PreparedUnit

        # Units of one row, length and script differ in prompt and seed only, and need the same
        # memory.
        refusals: dict[tuple[str, int, Script | None, int], LongtakeError | None] = {}
        fitting, limits = [], self._shard.runtime.kv
        for group in groups:
            left = []
            for unit in group:
                alike = (unit.row_id, unit.num_latents, unit.script, len(group))
                if alike not in refusals:
                    refusals[alike] = None
                    try:
                        prepared = PreparedUnit.of(unit, source)
                        prepared.check_memory(limits, device, number=len(group))
                    except LongtakeError as error:
                        refusals[alike] = error
                if refusal := refusals[alike]:
                    self._fail(unit.id, refusal)
                else:
                    left.append(unit)
            if left:
                fitting.append(tuple(left))
        return fitting

    def _fail(self, item: str, error: BaseException) -> None:
        """Record that an item failed.

        Raises:
            DiskError: the disk failed, now or while recording the failure. The next item would fail
                too, so the shard ends.
            DeviceLost: the device failed, and would for the next item.
        """
        if lost := device_lost(error):
            raise lost from error
        if disk := disk_error(error, self._store.root):
            raise disk
        text, unwritable = _describe(error), None
        details = "".join(traceback.format_exception(error))
        try:
            self._store.write_failure(item, text, details)
        except OSError as failed:
            unwritable = failed
            text = f"{text} (and that can't be saved: {failed})"
        self._emit(Event(EventKind.failed, item, text=text))
        if disk := disk_error(unwritable, self._store.root):
            raise disk

    def _make_with_command(
        self, source: ExternalBackbone, device: torch.device, group: Sequence[tuple[Unit, Claim]]
    ) -> None:
        from harness.run.external import make_with_command
        from harness.run.prepared import PreparedUnit

        ((unit, claim),) = group

        def stop_requested() -> bool:
            claim.moved()  # a command shows no progress, and has a limit of its own
            return self._stop_requested()

        with self._attempted(unit.id, claim):
            PreparedUnit.of(unit, source).check_identity()
            make_with_command(unit, source, device, self._store, stop_requested, claim.check)

    def _evaluate(
        self, task: Evaluation, scorers: dict[str, Scorer], changed: bool, claim: Claim
    ) -> None:
        """Score a unit.

        Args:
            task: what to score.
            scorers: those that are loaded, by suite.
            changed: its scores were written since planning, perhaps for another command.
            claim: that of its unit.
        """
        from eval.scoring.scorer import Scorer
        from eval.scoring.suite import find_suite
        from harness.run.score import score_unit

        if changed:
            left = self._left_of(task)
            if left is None:
                return
            task = left
        if task.suite not in scorers:
            self._emit(Event(EventKind.loading, text=f"suite {task.suite}"))
            device = str(pick_device(self._shard.device))
            scorers[task.suite] = Scorer(find_suite(task.suite), device)
        scorer = scorers[task.suite]
        score_unit(task, self._store, scorer, self._emit, self._stop_requested, claim.check)


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(error, LongtakeError):
        text += f" ({place_of(error)})"
    return text + memory_hint(error)
