"""Slots of virtual frames: their keys and values, and the operations that write them.

Slots are float32 whatever the model computes in: an average that takes a thousandth of a frame at a
time would not move in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.core.errors import PlanError
from methods.virtual import MERGES, Operation, Write


class VirtualSlots:
    """The slots of one rollout; plans name them -1, -2, ...

    Args:
        slab_shape: shape of one slab, (layer, 2, head, token, head channel).
        num_slots: number of slots.
        device: where they lie; they are never moved to another tier.
    """

    def __init__(self, slab_shape: tuple[int, ...], num_slots: int, device: torch.device) -> None:
        self._slabs = [torch.empty(slab_shape, device=device) for _ in range(num_slots)]
        self._versions = [0] * num_slots
        self._merges: dict[str, Callable[[Tensor], Tensor]] = {}

    @property
    def num_bytes(self) -> int:
        """Return the memory of all slots."""
        return sum(slab.nbytes for slab in self._slabs)

    def forget(self) -> None:
        """Make all slots unwritten."""
        self._versions = [0] * len(self._versions)

    def version(self, slot: int) -> int:
        """Return the number of writes to a slot so far; 0 if it cannot be read."""
        return self._versions[-1 - slot]

    def slab(self, slot: int) -> Float[Tensor, "layer 2 head token head_dim"]:
        """Return keys and values of a slot.

        Raises:
            PlanError: it was not written yet.
        """
        if self.version(slot) == 0:
            raise PlanError(f"A plan reads slot {slot} before it is written.")
        return self._slabs[-1 - slot]

    def write(self, write: Write, slab_of: Callable[[int], Tensor]) -> None:
        """Compute a slot.

        Args:
            write: what to compute.
            slab_of: gives keys and values of a frame or slot.

        Raises:
            PlanError: a source is missing, or a merge returned something else than one slab.
        """
        sources = [slab_of(number) for number in write.sources]
        if write.operation is Operation.module:
            result = self._merge(write.merge, sources)
        elif write.operation is Operation.adain:
            towards = [slab_of(number) for number in write.towards]
            result = _adain(sources[0].float(), towards, write.strength)
        else:
            result = _mean(sources, write.weights)
            if write.operation is Operation.pooled:
                result = result.mean(3, keepdim=True)
        self._slabs[-1 - write.slot].copy_(result)
        self._versions[-1 - write.slot] += 1

    def _merge(self, name: str, sources: Sequence[Tensor]) -> Tensor:
        if name not in self._merges:
            merge: Any = MERGES.load(name)()
            device = sources[0].device
            self._merges[name] = merge.to(device) if isinstance(merge, torch.nn.Module) else merge
        result = self._merges[name](torch.stack([slab.float() for slab in sources]))
        if not isinstance(result, Tensor) or result.shape != sources[0].shape:
            got = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise PlanError(
                f"merge {name!r} returned {got}; expected the shape of one slab, "
                f"{tuple(sources[0].shape)}."
            )
        return result


def _mean(slabs: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    # One after another, so that the bits don't depend on how a reduction is split.
    total = slabs[0].float() * weights[0]
    for slab, weight in zip(slabs[1:], weights[1:], strict=True):
        total += slab.float() * weight
    return total


def _adain(slab: Tensor, towards: Sequence[Tensor], strength: float) -> Tensor:
    mean, deviation = _statistics(slab)
    target_mean, target_deviation = _statistics(torch.cat([part.float() for part in towards], 3))
    moved = (slab - mean) / deviation * target_deviation + target_mean
    return (1 - strength) * slab + strength * moved


def _statistics(slab: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation over the tokens, for each layer, head and channel."""
    return slab.mean(3, keepdim=True), slab.std(3, correction=0, keepdim=True).clamp_min(1e-6)
