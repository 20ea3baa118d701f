"""Base of all retrieving strategies: the candidates, the context layout, the equal budget.

A subclass chooses from the candidate frames (`select`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec

if TYPE_CHECKING:
    from torch import Tensor


class Layout(StrEnum):
    """Positions of retrieved frames, and the part of the context that gives way to them.

    released: the layout of the public LongLive-RAG code. The local window always gives up the full
        memory budget, even while nothing is retrieved yet; sink and memory share position 0.
    fill: the local window gives up only as many frames as were retrieved; positions as in released.
    aged: as released, but every frame sits at its true age, counted back from a block at the end
        of the trained range and clipped to position 0.
    absolute: as released, but every frame keeps its own number, so a video can't outgrow the RoPE
        table: retrieval under the RoPE scheme of the public sliding window.
    """

    released = "released"
    fill = "fill"
    aged = "aged"
    absolute = "absolute"


class Selection(NamedTuple):
    """Retrieved frames in attention order, and their similarities or None."""

    frames: tuple[int, ...]
    scores: tuple[float, ...] | None


@dataclass
class Retrieval:
    """Base of the strategies that attend to sink, retrieved memory and a short local window.

    Args:
        layout: see Layout.
        sink_latents: first frames that are always attended.
        memory_latents: K, the most frames retrieved per block.
        recent_exclude_latents: newest evicted frames that may not be retrieved.
    """

    layout: Layout = Layout.released
    sink_latents: int = 1
    memory_latents: int = 6
    recent_exclude_latents: int = 5

    def reset(self, rollout: RolloutSpec) -> None:
        if min(self.sink_latents, self.memory_latents, self.recent_exclude_latents) < 0:
            raise ConfigError(
                "sink_latents, memory_latents and recent_exclude_latents can't be negative."
            )
        if self.sink_latents + self.memory_latents > rollout.past_latents:
            raise ConfigError(
                f"sink_latents={self.sink_latents} and memory_latents={self.memory_latents} exceed "
                f"the {rollout.past_latents} past latent frames that the budget of "
                f"{rollout.budget_latents} leaves beside a block of {rollout.block_latents}."
            )
        if self.layout == Layout.absolute and rollout.num_latents > rollout.rope_positions:
            raise ConfigError(
                f"{rollout.num_latents} latents exceed the {rollout.rope_positions} positions of "
                "the RoPE table with layout=absolute; use another layout or a shorter duration."
            )
        self._rollout = rollout

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing; subclasses that need the latents override this."""

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Choose at most `memory_latents` of `candidates` (ascending) for the block."""
        raise NotImplementedError

    def candidates(self, first_frame: int) -> range:
        """Return the frames that left the window of `budget_latents`, except the newest of them.

        The window is the one after the previous block: the sink and the newest frames.
        """
        window = self._rollout.budget_latents - self.sink_latents
        stop = first_frame - window - self.recent_exclude_latents
        return range(self.sink_latents, max(self.sink_latents, stop))

    def plan(self, first_frame: int) -> ContextPlan:
        candidates = self.candidates(first_frame)
        if self.memory_latents and candidates:
            return self._lay_out(first_frame, self.select(candidates, first_frame))
        return self._lay_out(first_frame, Selection((), None))

    def _lay_out(self, first_frame: int, selection: Selection) -> ContextPlan:
        rollout, memory = self._rollout, selection.frames
        sink = tuple(range(min(self.sink_latents, first_frame)))
        reserved = len(memory) if self.layout == Layout.fill else self.memory_latents
        room = rollout.past_latents - self.sink_latents - reserved
        local = tuple(range(max(len(sink), first_frame - room), first_frame))
        frames = (*sink, *memory, *local)
        # The block keeps its own frame numbers until the window is full and then stays at its end,
        # so positions never exceed those the backbone was trained on.
        span = rollout.trained_latents if self.layout == Layout.aged else rollout.budget_latents
        query = min(first_frame, span - rollout.block_latents)
        aged = [max(0, query - (first_frame - frame)) for frame in frames]
        if self.layout == Layout.absolute:
            query, positions = first_frame, frames
        elif self.layout == Layout.aged:
            positions = tuple(aged)
        else:
            positions = (*sink, *(0,) * len(memory), *aged[len(frames) - len(local) :])
        roles = (Role.sink,) * len(sink) + (Role.memory,) * len(memory) + (Role.local,) * len(local)
        query_positions = tuple(range(query, query + rollout.block_latents))
        return ContextPlan(frames, positions, query_positions, roles, selection.scores)
