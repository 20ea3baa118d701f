"""A plan: job arrays, and the piece of work that each of their tasks does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from harness.store.shards import Shard
from slurm.plan.resources import Request
from slurm.submission import JobStage

T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """The work of one array task.

    Attributes:
        shard: units or evaluations, with the device as the user set it.
        label: backbone or suites, for display.
        seconds: estimated run time.
    """

    shard: Shard
    label: str
    seconds: float

    @property
    def amounts(self) -> tuple[int, ...]:
        """Size of each item: latent frames of a unit, clips of an evaluation."""
        units = tuple(unit.num_latents for unit in self.shard.units)
        return units + tuple(task.num_clips_about for task in self.shard.evaluations)


@dataclass(frozen=True)
class PlannedArray:
    """One job array to submit.

    Attributes:
        stage: the stage of all its tasks.
        request: resources of each task.
        pieces: one per task; that of the report has no items.
        after: index of the array in the plan whose task of the same index must succeed first.
        after_jobs: ids of jobs that must end first, successfully or not.
    """

    stage: JobStage
    request: Request
    pieces: tuple[Piece, ...]
    after: int | None = None
    after_jobs: tuple[str, ...] = ()

    def shard_of(self, piece: Piece) -> Shard:
        """Return the shard of a task, with the threads and the device that fit its request."""
        shard = replace(piece.shard, threads=self.request.cpus)
        if self.request.gpus:
            # A node without the GPU that was requested must be an error, not a slow run on CPUs.
            return replace(shard, device="cuda") if shard.device == "auto" else shard
        # Scoring was given no GPU on purpose; on a node that has some, "auto" would take one.
        return replace(shard, device="cpu") if self.stage is JobStage.evaluate else shard


@dataclass(frozen=True)
class Plan:
    """All arrays in the order of their submission; the report comes last."""

    arrays: tuple[PlannedArray, ...]

    @property
    def gpu_hours(self) -> float:
        """Estimated GPU-hours of all tasks."""
        return sum(a.request.gpus * p.seconds for a in self.arrays for p in a.pieces) / 3600

    @property
    def most_gpu_hours(self) -> float:
        """GPU-hours if every task used its whole time limit."""
        return sum(a.request.gpus * a.request.time_min * len(a.pieces) for a in self.arrays) / 60

    def count(self, stage: JobStage) -> int:
        """Return the number of tasks of a stage."""
        return sum(len(array.pieces) for array in self.arrays if array.stage is stage)


def cut(shard: Shard, label: str, item_s: Mapping[str, float], target_s: float) -> list[Piece]:
    """Cut a shard into pieces of about equal run time, none much longer than `target_s`.

    Items keep their order. An item that takes longer than `target_s` is a piece of its own.

    Args:
        shard: all work of one kind.
        label: the label of every piece.
        item_s: estimated seconds of each item.
        target_s: run time of a piece.
    """
    seconds = [item_s[item] for item in shard.items]
    total_s = sum(seconds)
    length_s = total_s / max(1, math.ceil(total_s / target_s))
    starts: list[int] = []
    room_s = 0.0
    for place, own_s in enumerate(seconds):
        # An item goes into the piece that holds at least half of it. What overhangs or is left
        # free carries over, so that rounding does not add up over many pieces.
        if not starts or room_s < own_s / 2:
            starts.append(place)
            room_s += length_s
        room_s -= own_s
    num_units = len(shard.units)
    return [
        Piece(
            replace(
                shard,
                units=shard.units[start:stop],
                evaluations=shard.evaluations[max(0, start - num_units) : max(0, stop - num_units)],
            ),
            label,
            sum(seconds[start:stop]),
        )
        for start, stop in pairwise([*starts, len(seconds)])
    ]


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive parts of at most `size` values."""
    return (values[start : start + size] for start in range(0, len(values), size))
