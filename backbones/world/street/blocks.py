"""A block of a script as the things of a scene meet it: what they do, for how many frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        motion: last word of its prompt.
        num_frames: video frames of the block after the first frame of the video.
        start_s: when it begins.
    """

    motion: str
    num_frames: int
    start_s: float
