"""Detection of videos that stand still, and therefore have the best consistency of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A clip with less flow is still. A frozen clip has 0, the calmest clip of the videos in
# docs/metrics_selftest.md 1.65.
STILL_PX = 0.25
FROZEN_SHARE = 0.5


@dataclass(frozen=True)
class Stillness:
    """Stillness of a video over one duration.

    Attributes:
        flag: at least half of the clips are still.
        still_share: share of clips that are still.
    """

    flag: bool
    still_share: float


def stillness(motions_px: Sequence[float | None]) -> Stillness | None:
    """Return the stillness of a video, or None if no clip's motion is known.

    Args:
        motions_px: flow motion of each clip (`eval.metrics.flow.FlowMotion`); None where unknown.
    """
    known = [motion < STILL_PX for motion in motions_px if motion is not None]
    if not known:
        return None
    share = sum(known) / len(known)
    return Stillness(share >= FROZEN_SHARE, share)
