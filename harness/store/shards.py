"""Shards: the work of one process with one loaded backbone or suite.

A shard is passed on as a JSON file, so that a worker can be a thread of this process, another
process or a job on a cluster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path

import msgspec

from backbones.engine.runtime import Runtime
from backbones.engine.script import Script
from harness.core.errors import StoreError
from harness.core.files import read_bytes, write_text
from harness.core.typed_files import from_line, to_line
from harness.store.units import Unit, UnitRow


class Stage(StrEnum):
    """Kind of the work of a shard."""

    generate = "generate"
    evaluate = "evaluate"


@dataclass(frozen=True, slots=True)
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
        host_workers: workers that share the memory of the machine.
        device_workers: workers that share that of the GPU.
        batch: most units of one row that are made in step.
    """

    stage: Stage
    store: str
    device: str
    threads: int
    save_every_blocks: int
    runtime: Runtime
    units: tuple[Unit, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    host_workers: int = 1
    device_workers: int = 1
    batch: int = 1

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

    def without(self, items: Collection[str]) -> Shard:
        """Return this shard without `items`."""
        if not items:
            return self
        return replace(
            self,
            units=tuple(unit for unit in self.units if unit.id not in items),
            evaluations=tuple(task for task in self.evaluations if task.item not in items),
        )

    def to_line(self) -> bytes:
        """Return the shard as JSON, on one line: a sweep may have thousands of shards."""
        return to_line(_StoredShard.of(self))

    def write(self, path: Path) -> None:
        """Write the shard as JSON."""
        write_text(path, self.to_line().decode())

    @classmethod
    def read(cls, path: Path, shared: SharedParts | None = None) -> Shard:
        """Read a shard from JSON.

        Args:
            path: the file.
            shared: parts of shards that were read before, to be used again.

        Raises:
            StoreError: the file is damaged.
        """
        stored = from_line(read_bytes(path), _StoredShard, str(path))
        if any(not 0 <= unit.row < len(stored.rows) for unit in stored.units):
            raise StoreError(f"{path}: it names a row of units that it does not have.")
        return stored.restore(shared or SharedParts())


@dataclass(frozen=True)
class SharedParts:
    """Parts that many shards have in common and that are kept in memory once."""

    rows: dict[bytes, UnitRow] = field(default_factory=dict)
    durations: dict[tuple[tuple[str, int], ...], dict[str, int]] = field(default_factory=dict)

    def row(self, row: UnitRow) -> UnitRow:
        """Return the row of the same content that was met first."""
        return self.rows.setdefault(msgspec.json.encode(row), row)

    def task(self, task: Evaluation) -> Evaluation:
        """Return an equal task of shared parts."""
        frames = self.durations.setdefault(
            tuple(task.durations_frames.items()), task.durations_frames
        )
        suite, prompt = sys.intern(task.suite), sys.intern(task.prompt)
        return Evaluation(task.unit_id, suite, prompt, frames, task.segment_prompts)


@dataclass(frozen=True)
class _StoredUnit:
    """A unit in a file; `row` is the place of its row there."""

    id: str
    row: int
    prompt_id: str
    prompt_set: str
    prompt: str
    evaluation_prompt: str
    seed: int
    script: Script | None = None


@dataclass(frozen=True)
class _StoredShard:
    """A shard in a file, each row once."""

    stage: Stage
    store: str
    device: str
    threads: int
    save_every_blocks: int
    runtime: Runtime
    rows: tuple[UnitRow, ...]
    units: tuple[_StoredUnit, ...]
    evaluations: tuple[Evaluation, ...]
    host_workers: int = 1
    device_workers: int = 1
    batch: int = 1

    @classmethod
    def of(cls, shard: Shard) -> _StoredShard:
        rows: dict[int, int] = {}  # place of each row object
        for unit in shard.units:
            rows.setdefault(id(unit.row), len(rows))
        return cls(
            shard.stage,
            shard.store,
            shard.device,
            shard.threads,
            shard.save_every_blocks,
            shard.runtime,
            rows=tuple({id(unit.row): unit.row for unit in shard.units}.values()),
            units=tuple(
                _StoredUnit(
                    unit.id,
                    rows[id(unit.row)],
                    unit.prompt_id,
                    unit.prompt_set,
                    unit.prompt,
                    unit.evaluation_prompt,
                    unit.seed,
                    unit.script,
                )
                for unit in shard.units
            ),
            evaluations=shard.evaluations,
            host_workers=shard.host_workers,
            device_workers=shard.device_workers,
            batch=shard.batch,
        )

    def restore(self, shared: SharedParts) -> Shard:
        """Return the shard, with parts that other shards have as well."""
        rows = [shared.row(row) for row in self.rows]
        units = tuple(
            Unit(
                unit.id,
                rows[unit.row],
                sys.intern(unit.prompt_id),
                sys.intern(unit.prompt_set),
                sys.intern(unit.prompt),
                sys.intern(unit.evaluation_prompt),
                unit.seed,
                unit.script,
            )
            for unit in self.units
        )
        return Shard(
            self.stage,
            self.store,
            self.device,
            self.threads,
            self.save_every_blocks,
            self.runtime,
            units,
            tuple(map(shared.task, self.evaluations)),
            self.host_workers,
            self.device_workers,
            self.batch,
        )


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


def step_groups(units: Iterable[Unit], batch: int) -> Iterator[tuple[Unit, ...]]:
    """Yield units in groups that are made in step: of one row and length, at most `batch` each."""
    for _, members in groupby(units, key=lambda u: (u.row_id, u.num_latents)):
        while group := tuple(islice(members, batch)):
            yield group


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
