"""Making of units with a loaded backbone: one alone, or several of one row in step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from backbones.engine.backbone import Backbone, BackboneSource
from backbones.engine.together import Steps, in_step, places
from harness.core.determinism import strictly_deterministic
from harness.core.devices import reset_peaks
from harness.core.events import Emit, Event, EventKind, StopRequested
from harness.run.generate import Beside, Observers, UnitWork, generate_in_step, generate_unit
from harness.run.prepared import PreparedUnit
from harness.run.shared_time import SharedTime
from harness.store.claims import Claim
from harness.store.run_store import RunStore
from harness.store.shards import Shard
from harness.store.units import Unit


@dataclass(frozen=True)
class UnitMaker:
    """Makes units of one backbone.

    Attributes:
        source: the backbone.
        backbone: what it loaded.
        shard: the units, with the settings for them.
        emit: called with every event.
        stop_requested: asked between blocks.
        attempted: context of the work on an item and its claim, which takes every error that is the
            item's own.
    """

    source: BackboneSource
    backbone: Backbone
    shard: Shard
    emit: Emit
    stop_requested: StopRequested
    attempted: Callable[[str, Claim], AbstractContextManager[None]]

    def make(self, group: Sequence[tuple[Unit, Claim]]) -> None:
        """Make one unit, or several of one row in step."""
        deterministic = self.shard.runtime.deterministic
        if len(group) > 1:
            # Each enters this as well; here it is so that the first which ends does not leave it.
            with strictly_deterministic(deterministic):
                self._make_in_step(group)
            return
        ((unit, claim),) = group
        with self.attempted(unit.id, claim), strictly_deterministic(deterministic):
            generate_unit(self._work(unit, claim))

    def _make_in_step(self, group: Sequence[tuple[Unit, Claim]]) -> None:
        time = SharedTime(len(group))
        try:
            shares = places(self.backbone, self.shard.runtime.kv, len(group))
        except Exception as error:  # the device lacks the room for all contexts
            for unit, claim in group:
                with self.attempted(unit.id, claim):
                    raise error
            return
        reset_peaks(self.backbone.device)
        in_step(
            [
                self._steps(unit, claim, Beside(place, time))
                for (unit, claim), place in zip(group, shares, strict=True)
            ]
        )

    def _steps(self, unit: Unit, claim: Claim, beside: Beside) -> Steps[None]:
        deterministic = strictly_deterministic(self.shard.runtime.deterministic)
        try:
            with self.attempted(unit.id, claim), deterministic:
                yield from generate_in_step(self._work(unit, claim, beside))
        finally:
            beside.time.leave()

    def _work(self, unit: Unit, claim: Claim, beside: Beside | None = None) -> UnitWork:
        def on_block(num_latents: int, replayed: bool) -> None:
            event = Event(EventKind.progress, unit.id, amount=num_latents, replayed=replayed)
            self.emit(event)

        def on_note(text: str) -> None:
            self.emit(Event(EventKind.note, unit.id, text=text))

        prepared = PreparedUnit.of(unit, self.source)
        prepared.check_identity()
        return UnitWork(
            prepared,
            self.backbone,
            RunStore(Path(self.shard.store)),
            self.shard.runtime,
            self.shard.save_every_blocks,
            Observers(on_block, on_note, self.stop_requested, claim.check),
            beside,
        )
