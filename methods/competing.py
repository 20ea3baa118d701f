"""Base of the strategies in which old frames compete for a few places, by evidence of the model.

A frame that leaves the newest frames competes with those in memory; what loses never returns, so
the memory of a long rollout is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Pass, Role, RolloutSpec
from methods.layout import in_a_row

if TYPE_CHECKING:
    from torch import Tensor

    from methods.base import BlockView


@dataclass
class Competing:
    """Sink, the frames that won a place, and the newest frames, at positions 0, 1, 2, ...

    A subclass scores the candidates from `keys` and `queries`.
    """

    needs_model: ClassVar[bool] = True
    evidence: ClassVar[tuple[Pass, ...]] = (Pass.clean,)

    def divide(self, rollout: RolloutSpec, places: int, sink_latents: int) -> None:
        """Start a new video; call it in `reset`.

        Args:
            rollout: the video.
            places: frames in memory.
            sink_latents: first frames; what is left of the budget is the newest frames.

        Raises:
            ConfigError: that is none.
        """
        self.size, self.past, self.places = rollout.block_latents, rollout.past_latents, places
        self.num_sink, self.newest = sink_latents, rollout.past_latents - sink_latents - places
        if min(self.num_sink, self.places, self.newest - 1) < 0:
            raise ConfigError(
                f"{type(self).__name__}: {self.num_sink} sink frames and {places} of memory leave "
                f"{self.newest} newest frames of a past of {self.past}; there must be one."
            )
        self.memory: tuple[int, ...] = ()
        self.keys: dict[int, Tensor] = {}
        self.queries: list[Tensor] = []
        self._end = sink_latents
        self._planned: tuple[int, ContextPlan] | None = None

    def scores(self, candidates: Sequence[int], first_frame: int) -> Sequence[float]:
        """Return the score of each candidate; the highest win a place.

        Args:
            candidates: frames in memory and those that just left the newest frames, in order. Their
                keys are `keys`, (layer, chan); the newest frames' queries are `queries`, in order.
            first_frame: first latent frame of the block to come.
        """
        raise NotImplementedError

    def lay_out(self, sink: range, admitted: Sequence[int], newest: range) -> ContextPlan:
        """Return the plan of a block, once `memory` is chosen; `admitted` are new in it."""
        parts = (Role.sink, sink), (Role.memory, self.memory), (Role.local, newest)
        return in_a_row(self.size, *parts)

    def attach(self, view: BlockView) -> None:
        """Receive the view of the rollout that begins."""
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Receive the newest frames: their queries and keys."""
        self.keys |= dict(enumerate(self._view.mean_keys(), start=first_frame))
        self.queries = [*self.queries, *self._view.mean_queries()][-self.past :]

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return the frames of the plan; before there is one, as many frames as it may have."""
        if self._planned is not None and self._planned[0] == first_frame:
            return self._planned[1].past_frames()
        return tuple(range(first_frame))[-self.past :]

    def plan(self, first_frame: int) -> ContextPlan:
        """Return the plan of a block."""
        start, self._end = self._end, max(self._end, first_frame - self.newest)
        candidates = (*self.memory, *range(start, self._end))
        if len(candidates) > self.places:
            scores = self.scores(candidates, first_frame)
            ranked = sorted(range(len(candidates)), key=lambda i: (-scores[i], i))
            best = sorted(candidates[i] for i in ranked[: self.places])
        else:
            best = list(candidates)
        admitted = [frame for frame in best if frame not in self.memory]
        self.memory = tuple(best)
        self.keys = {f: key for f, key in self.keys.items() if f in best or f >= self._end}
        sink = range(min(self.num_sink, first_frame))
        newest = range(max(len(sink), self._end), first_frame)
        plan = self.lay_out(sink, admitted, newest)
        self._planned = first_frame, plan
        return plan
