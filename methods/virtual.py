"""Virtual frames: keys and values that are computed from several past frames.

A slot holds the keys and values of one virtual frame. Plans name it by a negative number, slot 0 by
-1, slot 1 by -2 and so on, and say in `writes` what it receives before the block is made. Plans
follow from the arguments and the latents, so replaying them rebuilds every slot bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.core.errors import PlanError
from harness.core.registry import Registry

# A merge is a class without arguments whose instances take slabs of keys and values, float32 of the
# shape (source, layer, 2, head, token, head_dim), and return one slab.
MERGES = Registry("merge", {}, group="longtake.merges", contract=("__call__",))


class Operation(StrEnum):
    """The rule by which a slot is computed.

    mean: weighted mean, token by token. pooled: weighted mean over the tokens of the frames too, so
    that all tokens of the slot are equal. adain: the frame with mean and deviation of each channel
    moved towards those of other frames. module: a registered merge.
    """

    mean = "mean"
    pooled = "pooled"
    adain = "adain"
    module = "module"


@dataclass(frozen=True)
class Write:
    """One computation of a slot; the functions of this module create them.

    Attributes:
        slot: number that plans name the slot by, below 0.
        operation: the rule.
        sources: frames and slots that it is computed from; the slot itself may be one.
        weights: of the sources, for mean and pooled.
        towards: frames and slots whose statistics adain approaches.
        strength: share of adain in the result, 0 to 1.
        merge: registered merge, or "module:Class".
    """

    slot: int
    operation: Operation
    sources: tuple[int, ...]
    weights: tuple[float, ...] = ()
    towards: tuple[int, ...] = ()
    strength: float = 0.0
    merge: str = ""

    @property
    def read(self) -> tuple[int, ...]:
        """Return all frames and slots that are read."""
        return (*self.sources, *self.towards)

    def shifted(self, num_latents: int) -> Write:
        """Return the same computation with frames counted from another start."""
        sources, towards = (shift(part, num_latents) for part in (self.sources, self.towards))
        return replace(self, sources=sources, towards=towards)

    def check(self, first_frame: int, num_slots: int) -> None:
        """Raise an error for a computation that the engine cannot execute.

        Raises:
            PlanError: a slot that does not exist, frames not made yet, or numbers out of range.
        """
        where = f"Plan of the block at latent {first_frame}, write to slot {self.slot}"
        numbers = (self.slot, *self.read)
        if strange := [number for number in numbers if type(number) is not int]:
            raise PlanError(f"{where}: {strange[0]!r} is not a number of type int.")
        if self.slot >= 0 or min(numbers) < -num_slots:
            raise PlanError(
                f"{where}: names {min(numbers) if self.slot < 0 else self.slot}; the strategy has "
                f"{num_slots} slots (num_slots), named -1 to {-num_slots}."
            )
        if not self.sources or max(self.read) >= first_frame:
            raise PlanError(f"{where}: needs sources, and all of them in the past.")
        if self.operation in (Operation.mean, Operation.pooled):
            fine = len(self.weights) == len(self.sources) and all(map(math.isfinite, self.weights))
            problem = None if fine else "needs one finite weight for each source"
        elif self.operation is Operation.adain:
            fine = len(self.sources) == 1 and bool(self.towards) and 0 <= self.strength <= 1
            problem = None if fine else "needs one source, frames to approach, a strength of 0 to 1"
        else:
            problem = None if self.merge else "needs the name of a merge"
        if problem:
            raise PlanError(f"{where}: {self.operation} {problem}.")


def mean(slot: int, frames: Sequence[int], weights: Sequence[float] | None = None) -> Write:
    """Fill a slot with the mean of frames, by default with equal weights; of one frame, a copy."""
    given = (1 / len(frames),) * len(frames) if weights is None else tuple(weights)
    return Write(slot, Operation.mean, tuple(frames), given)


def moving_average(slot: int, frames: Sequence[int], keep: float) -> Write:
    """Let a slot keep a share of itself and take the rest, 1 - `keep`, from the mean of frames."""
    share = (1 - keep) / len(frames)
    return mean(slot, (slot, *frames), (keep, *(share,) * len(frames)))


def pooled(write: Write) -> Write:
    """Average over the tokens of the frames too."""
    return replace(write, operation=Operation.pooled)


def adain(slot: int, frame: int, towards: Sequence[int], strength: float) -> Write:
    """Fill a slot with a frame whose statistics are moved towards those of other frames."""
    return Write(slot, Operation.adain, (frame,), towards=tuple(towards), strength=strength)


def merged(slot: int, frames: Sequence[int], merge: str) -> Write:
    """Fill a slot with what a registered merge makes of frames."""
    return Write(slot, Operation.module, tuple(frames), merge=merge)


def shift(numbers: Sequence[int], num_latents: int) -> tuple[int, ...]:
    """Return numbers of frames counted from another start; those of slots stay."""
    return tuple(number if number < 0 else number + num_latents for number in numbers)


def num_slots(strategy: object) -> int:
    """Return the slots of a strategy after its `reset`: its `num_slots`, or 0."""
    return getattr(strategy, "num_slots", 0)
