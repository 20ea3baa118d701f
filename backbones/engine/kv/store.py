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

from backbones.engine.kv.sizes import spare_slabs
from backbones.engine.kv.tiers import FrameTiers, TierSizes
from backbones.engine.kv.virtual import VirtualSlots
from backbones.engine.protocol import AttentionContext, GroupContext, ModelShape
from backbones.engine.transfer import upload
from methods.groups import others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

    from backbones.engine.lanes import Moment
    from methods.base import ContextPlan, RolloutSpec
    from methods.groups import Heads


class KVStore:
    """Store and gather for one rollout.

    Args:
        shape: sizes of the transformer.
        rollout: block and budget in latent frames.
        dtype: type of keys and values.
        device: where the rollout runs.
        sizes: of the memory tiers.
        compiled: compile the rotation.
        num_slots: slots of virtual frames.
        records: keep room for the queries of a pass.
        gathered_PLHKD: room for keys and values of a whole context; by default its own.
    """

    def __init__(
        self,
        shape: ModelShape,
        rollout: RolloutSpec,
        dtype: torch.dtype,
        device: torch.device,
        sizes: TierSizes,
        compiled: bool = False,
        num_slots: int = 0,
        records: bool = False,
        gathered_PLHKD: Tensor | None = None,
    ) -> None:
        self._tokens_per_latent = shape.tokens_per_latent
        self._block_latents = rollout.block_latents
        self._rotary = shape.rotary
        self._device = device
        self._slab_bytes = shape.kv_bytes(1, dtype)
        spare = spare_slabs(rollout, num_slots)
        self._slots = VirtualSlots(shape.kv_shape(1), num_slots, device)
        self._tiers = FrameTiers(shape.kv_shape(1), dtype, device, sizes, spare)
        # Allocated once: fresh pages for every block cost more than filling them, and compiled and
        # captured code requires its arguments at the same addresses.
        layers, _, heads, _, head_dim = shape.kv_shape(rollout.budget_latents)
        if gathered_PLHKD is None:
            (gathered_PLHKD,) = context_buffers(1, shape, rollout.budget_latents, dtype, device)
        self._gathered_PLHKD = gathered_PLHKD
        self._factors = torch.empty_like(
            shape.rotary.factors(range(rollout.block_latents)), device=device
        )
        self.new_kv_LPHSD = torch.empty(
            shape.kv_shape(rollout.block_latents), dtype=dtype, device=device
        )
        # Not a number until a model has recorded something.
        self._queries_LHSD = (
            torch.full(
                (layers, heads, rollout.block_latents * shape.tokens_per_latent, head_dim),
                torch.nan,
                dtype=dtype,
                device=device,
            )
            if records
            else None
        )
        self._placed: list[tuple[int, int, int]] = []
        self._place = torch.compile(_place, fullgraph=True, dynamic=False) if compiled else _place

    def bring_up(self, plan: ContextPlan) -> None:
        """Start fetching the frames of a plan that the device lacks; call it early.

        Those of groups are fetched group by group by `gather`: the device need not hold them all.
        """
        self._tiers.bring_up(plan.past_frames(groups=False))

    def write(self, plan: ContextPlan) -> None:
        """Compute the slots that a plan writes; call it after `arrive` and before `gather`.

        Raises:
            PlanError: a source was dropped or not written yet.
        """
        for write in plan.writes:
            self._slots.write(write, self._slab)

    def forget_slots(self) -> None:
        """Make all slots unwritten."""
        self._slots.forget()

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
        """Tell if a frame is kept, or a slot written."""
        return self._tiers.holds(frame) if frame >= 0 else self._slots.version(frame) > 0

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
        if plan.groups:
            return self._gather_groups(plan)
        tokens = self._tokens_per_latent
        num_tokens = (len(plan.frames) + self._block_latents) * tokens
        keys_LHKD = self._gathered_PLHKD[0, :, :, :num_tokens]
        values_LHKD = self._gathered_PLHKD[1, :, :, :num_tokens]
        wanted = [
            (frame, position, self._slots.version(frame) if frame < 0 else 0)
            for frame, position in zip(plan.frames, plan.positions, strict=True)
        ]
        for place, (frame, position, _) in enumerate(wanted):
            # Values are copied and keys rotated only where the frame or its position has changed.
            if self._placed[place : place + 1] != [wanted[place]]:
                span = slice(place * tokens, (place + 1) * tokens)
                factors = upload(self._rotary.factors([position]), self._device)
                self._place(
                    self._rotary.rotate,
                    self._slab(frame).to(keys_LHKD.dtype),
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

    def _gather_groups(self, plan: ContextPlan) -> AttentionContext:
        """Fill the rows of each head with the context of its group; nothing of before is kept."""
        tokens, block_tokens = (
            self._tokens_per_latent,
            self._block_latents * self._tokens_per_latent,
        )
        keys_LHKD, values_LHKD = self._gathered_PLHKD
        contexts: list[GroupContext] = []
        for heads, part in rows_of(plan, len(keys_LHKD), keys_LHKD.shape[1]):
            layers_R, heads_R = (
                torch.tensor(index, device=self._device)
                for index in zip(*((i, h) for i, row in enumerate(heads) for h in row), strict=True)
            )
            # The main context, which comes first, has been brought up.
            if contexts:
                self._tiers.bring_up(part.past_frames())
                self._tiers.arrive()
            for place, (frame, position) in enumerate(
                zip(part.frames, part.positions, strict=True)
            ):
                span = slice(place * tokens, (place + 1) * tokens)
                factors = upload(self._rotary.factors([position]), self._device)
                slab_RPTD = self._slab(frame)[layers_R, :, heads_R].to(keys_LHKD.dtype)
                keys_LHKD[layers_R, heads_R, span] = self._rotary.rotate(slab_RPTD[:, 0], factors)
                values_LHKD[layers_R, heads_R, span] = slab_RPTD[:, 1]
            self._tiers.done_reading()
            factors = upload(self._rotary.factors(part.query_positions), self._device)
            index = tuple(_index(row, self._device) for row in heads)
            num_tokens = len(part.frames) * tokens + block_tokens
            contexts.append(GroupContext(index, num_tokens, factors))
        self._placed = []
        longest = max(context.num_tokens for context in contexts)
        return AttentionContext(
            keys_LHKD[:, :, :longest],
            values_LHKD[:, :, :longest],
            contexts[0].factors,
            block_tokens,
            groups=tuple(contexts),
        )

    def recording(self, context: AttentionContext) -> AttentionContext:
        """Return a context whose pass records its queries as well."""
        return context._replace(queries_LHSD=self._queries_LHSD)

    def close(self) -> None:
        """Give host memory back; call it after the last block."""
        self._tiers.close()

    def fetch_span(self) -> tuple[Moment, Moment]:
        """Return begin and end of the latest fetch."""
        return self._tiers.fetch_span()

    def allocated_mib(self) -> dict[str, float]:
        """Return the memory of the slabs by tier."""
        tiers = zip(("device", "host", "spilled"), self._tiers.num_allocated, strict=True)
        allocated = {name: count * self._slab_bytes / 2**20 for name, count in tiers}
        if self._slots.num_bytes:
            allocated["virtual"] = self._slots.num_bytes / 2**20
        return allocated

    def _slab(self, frame: int) -> Tensor:
        """Return the slab of a frame, or of a slot in float32."""
        return self._tiers.slab(frame) if frame >= 0 else self._slots.slab(frame)


def context_buffers(
    number: int, shape: ModelShape, budget_latents: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Allocate room for the keys and values of whole contexts: (context, 2, L, H, K, D)."""
    layers, _, heads, num_tokens, head_dim = shape.kv_shape(budget_latents)
    size = (number, 2, layers, heads, num_tokens, head_dim)
    return torch.empty(size, dtype=dtype, device=device)


def rows_of(plan: ContextPlan, layers: int, heads: int) -> Iterator[tuple[Heads, ContextPlan]]:
    """Yield the heads of each layer with their plan: those of the plan itself, then the groups."""
    yield others([group.heads for group in plan.groups], layers, heads), plan
    for group in plan.groups:
        if any(group.heads):
            yield group.heads, group.plan


def _index(heads: Sequence[int], device: torch.device) -> slice | Tensor:
    """Return an index of heads; a slice, which copies nothing, where they are neighbours."""
    if not heads:
        return slice(0, 0)
    if tuple(heads) == tuple(range(heads[0], heads[-1] + 1)):
        return slice(heads[0], heads[-1] + 1)
    return torch.tensor(heads, device=device)


def _place(
    rotate: Callable[[Tensor, Tensor], Tensor],
    slab_LPHTD: Tensor,
    factors: Tensor,
    keys_LHTD: Tensor,
    values_LHTD: Tensor,
) -> None:
    keys_LHTD.copy_(rotate(slab_LPHTD[:, 0], factors))
    values_LHTD.copy_(slab_LPHTD[:, 1])
