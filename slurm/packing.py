"""Cutting work into shards of a target length, and shards into arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.store.shards import Shard

T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """One array task to be.

    Attributes:
        shard: its work.
        label: backbone or suites, for people.
        seconds: estimated time of it.
    """

    shard: Shard
    label: str
    seconds: float

    @property
    def amounts(self) -> tuple[int, ...]:
        """Latent frames or clips of each item."""
        units = tuple(unit.num_latents for unit in self.shard.units)
        return units + tuple(task.num_clips_about for task in self.shard.evaluations)


def cut(shard: Shard, label: str, item_s: Mapping[str, float], target_s: float) -> list[Piece]:
    """Cut a shard into pieces of about equal length, none much longer than `target_s`.

    Items keep their order. One item that takes longer than that is a piece of its own.

    Args:
        shard: all work of one kind.
        label: see Piece.
        item_s: estimated seconds of each item.
        target_s: length of a piece.
    """
    total_s = sum(item_s.values())
    length_s = total_s / max(1, math.ceil(total_s / target_s))
    pieces: list[list[str]] = []
    room_s = 0.0
    for item in shard.items:
        if not pieces or room_s < item_s[item] / 2:
            pieces.append([])
            room_s += length_s
        pieces[-1].append(item)
        room_s -= item_s[item]
    units = {unit.id: unit for unit in shard.units}
    tasks = {task.item: task for task in shard.evaluations}
    return [
        Piece(
            replace(
                shard,
                units=tuple(units[item] for item in items if item in units),
                evaluations=tuple(tasks[item] for item in items if item in tasks),
            ),
            label,
            sum(item_s[item] for item in items),
        )
        for items in pieces
    ]


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    return (values[start : start + size] for start in range(0, len(values), size))
