"""Earlier latent frames of a walk that show what a block will show."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from backbones.world.street.script import FRAMES_PER_LATENT, Script

_NEAR_PX = 56  # pictures of poses this far apart, or nearer, share some of the street


class Visit(StrEnum):
    """The visit that is remembered, where a place was passed several times."""

    first = "first"
    last = "last"


class Pose(NamedTuple):
    """The camera in the last video frame of a latent frame."""

    place_px: int
    tilt_px: int


def poses(script: Script) -> list[Pose]:
    """Return the pose of every latent frame; places count from that of the first frame."""
    places = script.path.x_px[::FRAMES_PER_LATENT] % script.lap_px
    tilts = script.path.tilt_px[::FRAMES_PER_LATENT]
    return [Pose(*pose) for pose in zip(places.tolist(), tilts.tolist(), strict=True)]


def right_frames(
    poses: Sequence[Pose],
    lap_px: int,
    block: range,
    old_frames: Sequence[int],
    visit: Visit,
    num_latents: int,
) -> list[int]:
    """Return the old frames with the poses of a block and around them, the nearest first.

    Args:
        poses: pose of every latent frame, the block included.
        lap_px: length of the closed street.
        block: latent frames of the block.
        old_frames: latent frames to choose from, in ascending order.
        visit: the one to take of several frames with one pose.
        num_latents: the most frames returned.
    """
    targets = [poses[frame] for frame in block]
    ordered = old_frames if visit is Visit.first else reversed(old_frames)
    ranked = sorted(
        (min(_distance_px(target, poses[frame], lap_px) for target in targets), rank, frame)
        for rank, frame in enumerate(ordered)
    )
    chosen: dict[Pose, int] = {}
    for distance_px, _, frame in ranked:
        if distance_px <= _NEAR_PX:
            chosen.setdefault(poses[frame], frame)
    return list(chosen.values())[:num_latents]


def _distance_px(one: Pose, other: Pose, lap_px: int) -> int:
    apart = abs(one.place_px - other.place_px)
    return min(apart, lap_px - apart) + abs(one.tilt_px - other.tilt_px)
