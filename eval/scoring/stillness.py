"""Whether a video stands still: beside every consistency, which a frozen video would win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Below this a clip shows nothing that moves: a still one gives 0, the calmest clip of the videos in
# docs/metrics_selftest.md gives 1.65.
STILL_PX = 0.25
FROZEN_SHARE = 0.5


@dataclass(frozen=True)
class Frozen:
    """Stillness over one duration.

    Attributes:
        flag: at least half of the clips are still.
        still_share: share of clips that are still.
    """

    flag: bool
    still_share: float


def frozen(motions_px: Sequence[float | None]) -> Frozen | None:
    """Stillness of a video.

    Args:
        motions_px: flow motion of each clip (`eval.metrics.flow.FlowMotion`); None where unknown.

    Returns:
        None if the motion of no clip is known.
    """
    known = [motion < STILL_PX for motion in motions_px if motion is not None]
    if not known:
        return None
    share = sum(known) / len(known)
    return Frozen(share >= FROZEN_SHARE, share)
