"""Shards of videos of one or a few blocks, what a worker reports of them, and faulty plug-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from backbones.engine.runtime import Runtime
from harness.config.sweep import load_sweep
from harness.core.events import Event, EventKind
from harness.store.run_store import RunStore
from harness.store.shards import Shard, Stage
from harness.store.units import Unit, plan_units
from tests.harness.support import small

FAILING = """
from dataclasses import dataclass
from methods.sliding_window import SlidingWindow

@dataclass
class Failing(SlidingWindow):
    def plan(self, first_frame):
        raise RuntimeError("no plan today")
"""


LOSING = """
from dataclasses import dataclass
from pathlib import Path
import torch
from methods.sliding_window import SlidingWindow

class LosesTheDevice(SlidingWindow):
    def plan(self, first_frame):
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

@dataclass
class Always(LosesTheDevice):
    pass

@dataclass
class Once(LosesTheDevice):
    def plan(self, first_frame):
        if Path("lost").exists():
            return SlidingWindow.plan(self, first_frame)
        Path("lost").touch()
        return super().plan(first_frame)
"""


@dataclass
class Heard:
    """Everything a worker reported."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, *kinds: EventKind) -> list[tuple[EventKind, str]]:
        return [(event.kind, event.item) for event in self.events if event.kind in kinds]

    def ends(self) -> list[tuple[EventKind, str]]:
        return self.of(EventKind.done, EventKind.failed, EventKind.interrupted)

    def text(self, item: str) -> str:
        (text,) = [e.text for e in self.events if e.item == item and e.kind is EventKind.failed]
        return text


def never() -> bool:
    return False


def after(calls: int) -> Callable[[], bool]:
    """A request to stop that comes once it was asked for `calls` times."""
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > calls

    return stop


def units_of(*overrides: str, num_blocks: int = 1) -> tuple[Unit, ...]:
    quick = (f"duration={0.75 * num_blocks}", "prompts.num=1")
    return tuple(plan_units(load_sweep(small(*quick, *overrides))))


def shard_of(store: RunStore, units: tuple[Unit, ...]) -> Shard:
    return Shard(Stage.generate, str(store.root), "cpu", 1, 1, Runtime(), units)
