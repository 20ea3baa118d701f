"""Shards: the work of one process with one loaded backbone or suite.

A shard is passed on as a JSON file, so that a worker can be a thread of this process, another
process or a job on a cluster.
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
    """Kind of the work of a shard."""

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
        segment_prompts: evaluation prompt of each segment if the prompt changes.
    """

    unit_id: str
    suite: str
    prompt: str
    durations_frames: dict[str, int]
    segment_prompts: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, unit_id: str, suite: str, prompts: tuple[str, ...], durations_frames: dict[str, int]
    ) -> Evaluation:
        """Return the task for a unit with these evaluation prompts, one for each segment."""
        segment_prompts = prompts if len(prompts) > 1 else ()
        return cls(unit_id, suite, prompts[0], durations_frames, segment_prompts)

    @property
    def prompts(self) -> tuple[str, ...]:
        """Return the evaluation prompt of each segment; one for a video with one prompt."""
        return self.segment_prompts or (self.prompt,)

    @property
    def item(self) -> str:
        """Name of the task in events."""
        return f"{self.suite}:{self.unit_id}"

    @property
    def num_clips_about(self) -> int:
        """Approximate number of clips (two seconds at 16 fps), for progress bars."""
        return max(1, max(self.durations_frames.values(), default=0) // 32)


@dataclass(frozen=True)
class Shard:
    """Work for one process.

    Attributes:
        stage: kind of the work.
        store: folder of the run store.
        device: torch device name, or auto.
        threads: CPU threads.
        save_every_blocks: blocks between two saves of progress.
        runtime: settings of the computation that change no pixel.
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
        """Names of all items in order, as used in events."""
        return [unit.id for unit in self.units] + [task.item for task in self.evaluations]

    def only(self, items: Collection[str]) -> Shard:
        """Return this shard reduced to `items`."""
        return replace(
            self,
            units=tuple(unit for unit in self.units if unit.id in items),
            evaluations=tuple(task for task in self.evaluations if task.item in items),
        )

    def to_json(self) -> str:
        """Return the shard as JSON, on one line: a sweep may have thousands of shards."""
        return msgspec.json.encode(self).decode()

    def write(self, path: Path) -> None:
        """Write the shard as JSON."""
        write_text(path, self.to_json() + "\n")

    @classmethod
    def read(cls, path: Path) -> Shard:
        """Read a shard from JSON.

        Raises:
            StoreError: the file is damaged.
        """
        return read_typed(path, cls)


def group_units(units: Iterable[Unit]) -> list[list[Unit]]:
    """Group units by the backbone to load, weights and precision included."""
    groups: dict[str, list[Unit]] = {}
    for what_to_load, members in groupby(units, key=lambda u: (u.family, u.backbone_args)):
        groups.setdefault(json.dumps(what_to_load, sort_keys=True), []).extend(members)
    return [groups[key] for key in sorted(groups)]


def split_units(units: Iterable[Unit], num_workers: int) -> list[list[Unit]]:
    """Group units by backbone, and split each group evenly over the workers."""
    groups = group_units(units)
    shards = [members[start::num_workers] for members in groups for start in range(num_workers)]
    return [shard for shard in shards if shard]


def split_evaluations(
    tasks: Sequence[Evaluation], num_workers: int
) -> list[tuple[Evaluation, ...]]:
    """Distribute scoring by videos: a worker scores its videos with all suites.

    Each worker finishes one suite before the next, so that only one suite's networks are loaded.
    """
    units = list(dict.fromkeys(task.unit_id for task in tasks))
    worker_of = {unit_id: place % num_workers for place, unit_id in enumerate(units)}
    suites = list(dict.fromkeys(task.suite for task in tasks))
    parts: list[list[Evaluation]] = [[] for _ in range(num_workers)]
    for task in sorted(tasks, key=lambda task: suites.index(task.suite)):
        parts[worker_of[task.unit_id]].append(task)
    return [tuple(part) for part in parts]
