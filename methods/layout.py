"""The relative layout that most methods share: the context in a row, then the block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from methods.base import ContextPlan, Role


def in_a_row(
    block_latents: int,
    *parts: tuple[Role, Sequence[int]],
    scores: Iterable[float] | None = None,
) -> ContextPlan:
    """Return a plan whose positions count 0, 1, 2, ... over the context and on over the block.

    Only differences of positions matter to rotary attention. A layout that moves old frames to just
    before the newest ones and keeps those at their own numbers is therefore this one as well.

    Args:
        block_latents: latent frames of the block.
        parts: role and frames, in attention order.
        scores: similarity of each memory frame, if there are any.
    """
    frames = tuple(frame for _, part in parts for frame in part)
    roles = tuple(role for role, part in parts for _ in part)
    return ContextPlan(
        frames,
        tuple(range(len(frames))),
        tuple(range(len(frames), len(frames) + block_latents)),
        roles,
        None if scores is None else tuple(scores),
    )
