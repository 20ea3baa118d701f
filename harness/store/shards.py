"""Shards: the work that one process does with one loaded backbone or one loaded suite.

A shard travels as a JSON file, so that a worker can be a thread of this process, another process
or a job on a cluster.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path

import msgspec

from backbones.engine.runtime import Runtime
from harness.core.files import write_text
from harness.core.typed_files import read_typed
from harness.store.units import Unit


class Stage(StrEnum):
    """The work of a shard."""

    generate = "generate"
    evaluate = "evaluate"


@dataclass(frozen=True)
class Evaluation:
    """One finished unit to score with one suite.

    Attributes:
        unit_id: the unit.
        suite: registered suite.
        prompt: evaluation prompt.
        durations_frames: video frames of each duration, by its seconds as text.
    """

    unit_id: str
    suite: str
    prompt: str
    durations_frames: dict[str, int]

    @property
    def item(self) -> str:
        """Name of the task in events."""
        return f"{self.suite}:{self.unit_id}"

    @property
    def num_clips_about(self) -> int:
        """Clips of two seconds at 16 fps; good enough for a progress bar."""
        return max(1, max(self.durations_frames.values(), default=0) // 32)


@dataclass(frozen=True)
class Shard:
    """Work for one process.

    Attributes:
        stage: what to do.
        store: folder of the run store.
        device: torch device name, or auto.
        threads: CPU threads.
        save_every_blocks: blocks between two saves of progress.
        runtime: how rollouts are computed.
        units: units to generate, all of one backbone.
        evaluations: units to score.
    """

    stage: Stage
    store: str
    device: str
    threads: int
    save_every_blocks: int
    runtime: Runtime
    units: tuple[Unit, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def items(self) -> list[str]:
        """Names of what is to be done, in order, as events use them."""
        return [unit.id for unit in self.units] + [task.item for task in self.evaluations]

    def only(self, items: Collection[str]) -> Shard:
        """The part of this shard that is named by `items`."""
        return replace(
            self,
            units=tuple(unit for unit in self.units if unit.id in items),
            evaluations=tuple(task for task in self.evaluations if task.item in items),
        )

    def to_json(self) -> str:
        """Return the shard as JSON, on one line: a sweep may have thousands of shards."""
        return msgspec.json.encode(self).decode()

    def write(self, path: Path) -> None:
        """Save as JSON."""
        write_text(path, self.to_json() + "\n")

    @classmethod
    def read(cls, path: Path) -> Shard:
        """Load from JSON.

        Raises:
            StoreError: the file is damaged.
        """
        return read_typed(path, cls)


def group_units(units: Iterable[Unit]) -> list[list[Unit]]:
    """Units grouped by the backbone to be loaded, weights and precision included."""
    groups: dict[str, list[Unit]] = {}
    for what_to_load, members in groupby(units, key=lambda u: (u.family, u.backbone_args)):
        groups.setdefault(json.dumps(what_to_load, sort_keys=True), []).extend(members)
    return [groups[key] for key in sorted(groups)]


def split_units(units: Iterable[Unit], num_workers: int) -> list[list[Unit]]:
    """Units grouped by backbone, each group split evenly over the workers."""
    groups = group_units(units)
    shards = [members[start::num_workers] for members in groups for start in range(num_workers)]
    return [shard for shard in shards if shard]


def split_evaluations(
    tasks: Sequence[Evaluation], num_workers: int
) -> list[tuple[Evaluation, ...]]:
    """Tasks dealt out video by video: a worker scores all suites of its videos.

    Within a worker suite comes after suite, so that one suite's networks are loaded at a time.
    """
    units = list(dict.fromkeys(task.unit_id for task in tasks))
    worker_of = {unit_id: place % num_workers for place, unit_id in enumerate(units)}
    suites = list(dict.fromkeys(task.suite for task in tasks))
    parts: list[list[Evaluation]] = [[] for _ in range(num_workers)]
    for task in sorted(tasks, key=lambda task: suites.index(task.suite)):
        parts[worker_of[task.unit_id]].append(task)
    return [tuple(part) for part in parts]
