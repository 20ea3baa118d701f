"""Rolling Sink (Li et al., arXiv 2602.07775)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.base import ContextPlan, Role, RolloutSpec
from methods.layout import in_a_row

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class RollingSink:
    """Rolling Sink: all of the past but the newest block is replaced by slices of the beginning.

    Of a window of N frames in blocks of three, the first N - 3 frames of the video are the supply.
    As the window moves, the supply is played forward, then backward, and so on, three frames at a
    time: the place of block s holds slice s of that endless sequence. Backward slices hold their
    frames in reverse. The last block stays itself. The authors' window is the whole of N = 21;
    here N is the context budget. Source: `wan/modules/causal_model.py` of Rolling-Sink/Rolling-Sink
    (58d104b).
    """

    def reset(self, rollout: RolloutSpec) -> None:
        self._size, self._supply = rollout.block_latents, rollout.past_latents
        if self._supply < 2 * self._size or self._supply % self._size:
            raise ConfigError(
                f"Rolling Sink needs a budget of at least three whole blocks of {self._size}; got "
                f"{rollout.budget_latents} latent frames."
            )

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Do nothing: the context follows from the frame number alone."""

    def reach(self, first_frame: int) -> tuple[int, ...]:
        newest = max(self._supply, first_frame - self._size)
        return (*range(min(self._supply, first_frame)), *range(newest, first_frame))

    def plan(self, first_frame: int) -> ContextPlan:
        newest = max(0, first_frame - self._size)
        starts = range(max(0, first_frame - self._supply), newest, self._size)
        rolled = [frame for start in starts for frame in self._slice(start)]
        return in_a_row(self._size, (Role.sink, rolled), (Role.local, range(newest, first_frame)))

    def _slice(self, start: int) -> range:
        turn, place = divmod(start, self._supply)
        if turn % 2 == 0:
            return range(place, place + self._size)
        return range(self._supply - 1 - place, self._supply - 1 - place - self._size, -1)
