"""Keys and values of the past, by latent frame and un-rotated.

One slab per latent frame holds all layers, so a plan is gathered by copying a few whole slabs,
once per block. Keys are rotated on the way out: absolute and window-relative positions then need no
code of their own, and a pass never rotates the past again.

Letters: L layer, P key or value, H head, T token of one frame, S token of a block, K token of
context and block together, D head channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from backbones.engine.kv.tiers import FrameTiers, TierSizes
from backbones.engine.protocol import AttentionContext, ModelShape
from backbones.engine.transfer import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from backbones.engine.lanes import Moment
    from methods.base import ContextPlan, RolloutSpec


class KVStore:
    """Store and gather for one rollout.

    Args:
        shape: sizes of the transformer.
        rollout: block and budget in latent frames.
        dtype: type of keys and values.
        device: where the rollout runs.
        sizes: of the memory tiers.
        compiled: compile the rotation.
    """

    def __init__(
        self,
        shape: ModelShape,
        rollout: RolloutSpec,
        dtype: torch.dtype,
        device: torch.device,
        sizes: TierSizes,
        compiled: bool = False,
    ) -> None:
        self._tokens_per_latent = shape.tokens_per_latent
        self._block_latents = rollout.block_latents
        self._rotary = shape.rotary
        self._device = device
        self._slab_bytes = shape.kv_bytes(1, dtype)
        spare = rollout.budget_latents  # the slabs of a whole context and of a block
        self._tiers = FrameTiers(shape.kv_shape(1), dtype, device, sizes, spare)
        # Allocated once: fresh pages for every block cost more than filling them, and compiled and
        # captured code requires its arguments at the same addresses.
        layers, _, heads, num_tokens, head_dim = shape.kv_shape(rollout.budget_latents)
        self._gathered_PLHKD = torch.empty(
            2, layers, heads, num_tokens, head_dim, dtype=dtype, device=device
        )
        self._factors = torch.empty_like(
            shape.rotary.factors(range(rollout.block_latents)), device=device
        )
        self.new_kv_LPHSD = torch.empty(
            shape.kv_shape(rollout.block_latents), dtype=dtype, device=device
        )
        self._placed: list[tuple[int, int]] = []
        self._place = torch.compile(_place, fullgraph=True, dynamic=False) if compiled else _place

    def bring_up(self, plan: ContextPlan) -> None:
        """Start fetching the frames of a plan that the device lacks; call it early."""
        self._tiers.bring_up(plan.frames)

    def append_block(self, first_frame: int) -> None:
        """Store what the clean pass wrote to `new_kv_LPHSD`, one slab per latent frame."""
        slabs = self.new_kv_LPHSD.split(self._tokens_per_latent, dim=3)
        for frame, kv_LPHTD in enumerate(slabs, start=first_frame):
            self._tiers.put(frame, kv_LPHTD)
        self._tiers.copy_down_ahead()

    def replace_block(self, first_frame: int) -> None:
        """Store what the clean pass wrote in place of what is kept of a block.

        Frames of the block that were dropped stay so.
        """
        slabs = self.new_kv_LPHSD.split(self._tokens_per_latent, dim=3)
        for frame, kv_LPHTD in enumerate(slabs, start=first_frame):
            if self._tiers.holds(frame):
                self._tiers.replace(frame, kv_LPHTD)
        self._placed = []  # `gather` would otherwise take the old ones for current
        self._tiers.copy_down_ahead()

    def holds(self, frame: int) -> bool:
        """Tell if a frame is kept."""
        return self._tiers.holds(frame)

    def drop_all_but(self, frames: Iterable[int]) -> None:
        """Forget all frames but those that a later plan may name."""
        self._tiers.drop_all_but(frames)

    def arrive(self) -> None:
        """Make the device wait for what `bring_up` fetches."""
        self._tiers.arrive()

    def gather(self, plan: ContextPlan) -> AttentionContext:
        """Return the context of a plan: keys at its positions, room for the block behind them.

        The buffers are reused: a context is valid until the next `gather`.
        """
        tokens = self._tokens_per_latent
        num_tokens = (len(plan.frames) + self._block_latents) * tokens
        keys_LHKD = self._gathered_PLHKD[0, :, :, :num_tokens]
        values_LHKD = self._gathered_PLHKD[1, :, :, :num_tokens]
        wanted = list(zip(plan.frames, plan.positions, strict=True))
        for place, (frame, position) in enumerate(wanted):
            # Values are copied and keys rotated only where the frame or its position has changed.
            if self._placed[place : place + 1] != [(frame, position)]:
                span = slice(place * tokens, (place + 1) * tokens)
                factors = upload(self._rotary.factors([position]), self._device)
                self._place(
                    self._rotary.rotate,
                    self._tiers.slab(frame),
                    factors,
                    keys_LHKD[:, :, span],
                    values_LHKD[:, :, span],
                )
        self._placed = wanted
        self._tiers.done_reading()
        factors = upload(self._rotary.factors(plan.query_positions), self._device)
        self._factors.copy_(factors, non_blocking=True)
        num_block_tokens = self._block_latents * tokens
        return AttentionContext(keys_LHKD, values_LHKD, self._factors, num_block_tokens)

    def close(self) -> None:
        """Give host memory back; call it after the last block."""
        self._tiers.close()

    def fetch_span(self) -> tuple[Moment, Moment]:
        """Return begin and end of the latest fetch."""
        return self._tiers.fetch_span()

    def allocated_mib(self) -> dict[str, float]:
        """Return the memory of the slabs by tier."""
        tiers = zip(("device", "host", "spilled"), self._tiers.num_allocated, strict=True)
        return {name: count * self._slab_bytes / 2**20 for name, count in tiers}


def _place(
    rotate: Callable[[Tensor, Tensor], Tensor],
    slab_LPHTD: Tensor,
    factors: Tensor,
    keys_LHTD: Tensor,
    values_LHTD: Tensor,
) -> None:
    keys_LHTD.copy_(rotate(slab_LPHTD[:, 0], factors))
    values_LHTD.copy_(slab_LPHTD[:, 1])
