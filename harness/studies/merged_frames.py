"""Composition of virtual frames, followed through the writes of a rollout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from methods.virtual import Operation

if TYPE_CHECKING:
    from methods.virtual import Write

Composition = dict[int, dict[int, float]]
"""By slot, the share of each latent frame; a slot that was never written is missing."""


def composed(before: Composition, writes: Iterable[Write]) -> Composition:
    """Return what slots are made of after some writes.

    AdaIN keeps the frame whose statistics it moves. A registered merge counts its sources alike,
    because only it knows their weights.
    """
    slots = dict(before)
    for write in writes:
        weights = write.weights
        if write.operation in (Operation.adain, Operation.module):
            weights = (1 / len(write.sources),) * len(write.sources)
        made: dict[int, float] = {}
        for source, weight in zip(write.sources, weights, strict=True):
            parts = slots[source] if source < 0 else {source: 1.0}
            for frame, share in parts.items():
                made[frame] = made.get(frame, 0.0) + weight * share
        slots[write.slot] = made
    return slots
