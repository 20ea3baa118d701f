"""Generation of units, alone or in step: rollout, streaming decode, video, latents, record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from harness.core.devices import reset_peaks
from harness.core.events import Interrupted
from harness.core.files import replacing
from harness.run.shared_time import SharedTime
from harness.run.unit_progress import PlanChanged, Superseded, UnitProgress
from harness.run.unit_record import unit_record, unit_timings_s
from harness.run.video_pipeline import VideoPipeline
from harness.run.video_writer import VideoWriter
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from backbones.engine.rollout import Rollout
    from backbones.engine.runtime import Runtime
    from backbones.engine.together import Place, Steps
    from harness.run.prepared import PreparedUnit


def generate_unit(work: UnitWork) -> None:
    """Make a unit.

    Raises:
        Interrupted: a stop was requested; progress is saved.
        TakenOver: another process makes the unit now.
        LongtakeError: a strategy's plan can't be carried out, memory doesn't suffice, or latents
            are not finite.
    """
    while not work.is_done:
        _try(work)


def generate_in_step(work: UnitWork) -> Steps[None]:
    """Make a unit in step with others; raises as `generate_unit`."""
    while not work.is_done:
        yield from _try_in_step(work)


# Functions of their own, so that nothing of a first try is left during a second one.
def _try(work: UnitWork) -> None:
    with work.tried() as (rollout, add):
        for block in rollout.blocks(work.progress.saved_latents, work.progress.saved_plans):
            add(block)


def _try_in_step(work: UnitWork) -> Steps[None]:
    with work.tried() as (rollout, add), closing(rollout.store):
        rollout.begin(work.progress.saved_latents, work.progress.saved_plans)
        while block := (yield from rollout.next_block()):
            add(block)


@dataclass(frozen=True)
class Beside:
    """Things that a unit shares with those made in step with it.

    Attributes:
        place: its part of the device.
        time: their clock.
    """

    place: Place
    time: SharedTime


@dataclass(frozen=True)
class Observers:
    """Callbacks of the making of a unit.

    Attributes:
        on_block: called after every block with the latent frames made so far, and with whether the
            block was replayed from saved progress.
        on_note: called with a line about saved progress that cannot be used.
        stop_requested: called after every block.
        check_claim: called before anything is saved; raises TakenOver if another process makes the
            unit now.
    """

    on_block: Callable[[int, bool], None]
    on_note: Callable[[str], None]
    stop_requested: Callable[[], bool]
    check_claim: Callable[[], None]


class UnitWork:
    """A unit to make, or to finish where an earlier run stopped.

    Args:
        prepared: the unit.
        backbone: its backbone, loaded.
        store: store that receives its files.
        runtime: settings of the computation.
        save_every_blocks: blocks between two saves of progress.
        observers: its callbacks.
        beside: what it shares with others in step; None if it is made alone.

    Attributes:
        progress: its blocks so far, and the saved ones.
        is_done: whether its record is written, or another worker has made a longer video of it.
    """

    def __init__(
        self,
        prepared: PreparedUnit,
        backbone: Backbone,
        store: RunStore,
        runtime: Runtime,
        save_every_blocks: int,
        observers: Observers,
        beside: Beside | None = None,
    ) -> None:
        self._prepared = prepared
        self._backbone = backbone
        self._store = store
        self._runtime = runtime
        self._save_every_blocks = save_every_blocks
        self._observers = observers
        self._beside = beside
        store.remove_leftovers(prepared.unit.id)
        self.progress = self._saved_progress(observers.on_note)
        self.is_done = False

    @contextmanager
    def tried(self) -> Iterator[tuple[Rollout, Callable[[Block], None]]]:
        """Yield a rollout of the unit, and a function that takes its blocks one after the other.

        If a saved block turns out to be of another rollout, the unit is not done afterwards, and
        the next try makes it from there.
        """
        try:
            with self._making() as making:
                yield making
        except PlanChanged as changed:
            # The strategy isn't deterministic, or another machine broke a tie differently. From
            # that block on, the saved latents belong to another rollout.
            first = changed.block
        else:
            self.is_done = True
            return
        self._observers.on_note(
            f"block {first} was saved with a different plan; regenerating from there"
        )
        self.progress = self._saved_progress(lambda _: None, first)

    @contextmanager
    def _making(self) -> Iterator[tuple[Rollout, Callable[[Block], None]]]:
        unit, backbone, progress = self._prepared.unit, self._backbone, self.progress
        geometry, beside = backbone.spec.geometry, self._beside
        time = beside.time if beside else SharedTime()
        if not beside:
            reset_peaks(backbone.device)
        # Saved progress is never cut, even if the unit now asks for a shorter video.
        num_latents = max(unit.num_latents, progress.num_saved_latents)
        place = beside.place if beside else None
        rollout = self._prepared.start(backbone, self._runtime, num_latents, place)
        blocks: list[Block] = []
        numbers = [time.number]  # of videos in step when a block begins
        path = self._store.unit_dir(unit.id) / "video.mp4"
        try:
            with replacing(path) as temporary:
                with (
                    VideoWriter(temporary, geometry.fps, geometry.width, geometry.height) as writer,
                    VideoPipeline(backbone.start_decoder(), writer, backbone.device) as video,
                ):

                    def add(block: Block) -> None:
                        if block.kept_plan:
                            self._observers.on_note(
                                f"block {block.index} keeps its saved context, which ties with "
                                "another"
                            )
                        blocks.append(block)
                        progress.add(block)
                        video.push(block.latents)
                        self._after(block)
                        numbers.append(time.number)

                    yield rollout, add
                self._observers.check_claim()
                progress.finish()
        except Superseded:
            return
        batch = round(fmean(numbers[: len(blocks)]), 2)
        timings_s = unit_timings_s(blocks, video, time.part_s(), batch)
        self._observers.check_claim()
        self._store.write_record(
            unit_record(unit, backbone, rollout, num_latents, path, timings_s, batch)
        )

    def _after(self, block: Block) -> None:
        """Do what is due after a block."""
        observers = self._observers
        observers.check_claim()
        stopping = observers.stop_requested()
        if stopping:
            self.progress.save_all()
        else:
            self.progress.save_every(self._save_every_blocks)
        observers.on_block(self.progress.num_latents, block.replayed)
        if stopping:
            raise Interrupted

    def _saved_progress(
        self, on_note: Callable[[str], None], end_block: int | None = None
    ) -> UnitProgress:
        block_latents = self._backbone.spec.block_latents
        unit_id = self._prepared.unit.id
        return UnitProgress(unit_id, block_latents, self._store, on_note, end_block)
