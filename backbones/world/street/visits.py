"""Earlier latent frames of a script that show what a block will show."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from backbones.world.street.cups import LIFT_PX
from backbones.world.street.prompt import Scene
from backbones.world.street.script import FRAMES_PER_LATENT, Script
from backbones.world.street.visitor import MOST_VISITORS

_NEAR_PX = 56  # pictures of poses this far apart, or nearer, share some of the street
_APART_PX = 1000  # of two visitors, whose pictures share nothing


class Visit(StrEnum):
    """The visit that is remembered, where a place was passed several times."""

    first = "first"
    last = "last"


class Pose(NamedTuple):
    """Content of the last video frame of a latent frame: place on the street, and tilt.

    Visitors have a street of their own, on which each is far from the others.
    """

    place_px: int
    tilt_px: int


class Visits:
    """The latent frames of a script by what they show.

    Args:
        script: the script.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lap_px = script.lap_px
        if script.scene is Scene.cups:
            self._lifts = script.cups.lift_px[::FRAMES_PER_LATENT].tolist()
            return
        places = script.path.x_px % script.lap_px
        if script.scene is Scene.visitor:
            places = script.visitor.visitor * _APART_PX + script.visitor.away_px
            self._lap_px = MOST_VISITORS * _APART_PX
        tilts = script.path.tilt_px[::FRAMES_PER_LATENT]
        pairs = zip(places[::FRAMES_PER_LATENT].tolist(), tilts.tolist(), strict=True)
        self._poses = [Pose(*pose) for pose in pairs]

    def right_frames(
        self, block: range, old_frames: Sequence[int], visit: Visit, num_latents: int
    ) -> list[int]:
        """Return the old frames that a block needs, the most needed first.

        Those with the poses of the block and around them, the nearest first. Of a game, where a
        block shows the ball, those since it was last seen, in even steps and in order of time.

        Args:
            block: latent frames of the block.
            old_frames: latent frames to choose from, in ascending order.
            visit: the one to take of several frames with one pose.
            num_latents: the most frames returned.
        """
        if self._script.scene is Scene.cups:
            return self._since_shown(block, old_frames, num_latents)
        targets = [self._poses[frame] for frame in block]
        ordered = old_frames if visit is Visit.first else reversed(old_frames)
        ranked = sorted(
            (min(self._distance_px(target, self._poses[frame]) for target in targets), rank, frame)
            for rank, frame in enumerate(ordered)
        )
        chosen: dict[Pose, int] = {}
        for distance_px, _, frame in ranked:
            if distance_px <= _NEAR_PX:
                chosen.setdefault(self._poses[frame], frame)
        return list(chosen.values())[:num_latents]

    def _since_shown(self, block: range, old_frames: Sequence[int], num_latents: int) -> list[int]:
        shown = [frame for frame in old_frames if self._lifts[frame] == LIFT_PX]
        if not shown or not any(self._lifts[frame] for frame in block):
            return []
        since = [frame for frame in old_frames if frame >= shown[-1]]
        steps = min(num_latents, len(since))
        return [since[number * (len(since) - 1) // max(1, steps - 1)] for number in range(steps)]

    def _distance_px(self, one: Pose, other: Pose) -> int:
        apart = abs(one.place_px - other.place_px)
        return min(apart, self._lap_px - apart) + abs(one.tilt_px - other.tilt_px)
