"""The finished block that a rollout yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from backbones.engine.timings import BlockMoments, BlockTimings
    from methods.base import ContextPlan


@dataclass(frozen=True)
class Block:
    """One finished block; on a GPU its work may still be queued.

    Attributes:
        index: 0 for the first block of the video.
        first_frame: number of its first latent frame.
        latents: its clean latents, float32, on the device.
        plan: the context it was made with.
        moments: start and end of its parts.
        replayed: whether it was rebuilt from saved latents instead of denoised.
        given: whether its latents are those of the script's given beginning.
        segment: index of its segment; None for a video with one prompt.
        kept_plan: whether its plan is the saved one, and the strategy's is another that ties.
    """

    index: int
    first_frame: int
    latents: Float[Tensor, "frame chan height width"]
    plan: ContextPlan
    moments: BlockMoments
    replayed: bool
    given: bool
    segment: int | None
    kept_plan: bool = False

    def timings(self) -> BlockTimings:
        """Return the seconds of its parts; waits until the block is finished."""
        return self.moments.timings()
