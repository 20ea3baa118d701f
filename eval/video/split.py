"""The clip split of VBench-Long, cut from one sequential decode.

A video is scored in clips of two seconds. The durations of one video are its prefixes and share
almost all clips, so each clip of the union is cut and scored once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from harness.core.errors import ConfigError

CLIP_SECONDS = 2


class Span(NamedTuple):
    """Frames `start` to `end` of a video, `end` not included."""

    start: int
    end: int


@dataclass(frozen=True)
class ClipPlan:
    """The clips to score of one video.

    Attributes:
        spans: the union of the clips of all durations, sorted.
        durations: for each duration the indices of its clips in `spans`, in order of time.
        num_frames: frames to decode, those of the longest duration.
    """

    spans: tuple[Span, ...]
    durations: Mapping[str, tuple[int, ...]]
    num_frames: int


def clip_length(fps: Fraction | int) -> int:
    """Return the number of frames of a clip; the frame rate is rounded down, as by VBench-Long.

    Raises:
        ConfigError: less than one frame per second.
    """
    if fps < 1:
        raise ConfigError(f"A video of {float(fps):g} frames per second; expected at least 1.")
    return int(fps) * CLIP_SECONDS


def frames_before(fps: int) -> int:
    """Return how many frames before a clip go with it: an eighth of a second, at least two."""
    return max(2, round(fps / 8))


def split(num_frames: int, clip_frames: int) -> tuple[Span, ...]:
    """Cut `num_frames` frames into clips, in order of time.

    Full clips from the start; a remainder gives one more clip, the last `clip_frames` frames, which
    overlaps the clip before. Fewer frames than one clip are one short clip. Source: VBench-Long's
    preprocessing.
    """
    assert num_frames > 0 and clip_frames > 0
    if num_frames < clip_frames:
        return (Span(0, num_frames),)
    full = num_frames // clip_frames
    spans = [Span(i * clip_frames, (i + 1) * clip_frames) for i in range(full)]
    if num_frames % clip_frames:
        spans.append(Span(num_frames - clip_frames, num_frames))
    return tuple(spans)


def plan_clips(durations_frames: Mapping[str, int], clip_frames: int) -> ClipPlan:
    """Return the union of the clips of several durations of one video.

    Args:
        durations_frames: name of each duration to its number of frames, counted from the start.
        clip_frames: frames of a full clip.

    Raises:
        ConfigError: no duration, or one without frames.
    """
    if not durations_frames or min(durations_frames.values()) < 1:
        raise ConfigError(
            f"Durations to score are {dict(durations_frames)} frames; expected at least one "
            "duration, each of at least one frame."
        )
    splits = {name: split(frames, clip_frames) for name, frames in durations_frames.items()}
    spans = tuple(sorted({span for clips in splits.values() for span in clips}))
    index = {span: i for i, span in enumerate(spans)}
    durations = {name: tuple(index[span] for span in clips) for name, clips in splits.items()}
    return ClipPlan(spans, durations, num_frames=spans[-1].end)


def stream_clips(
    frames: Iterable[np.ndarray], spans: Sequence[Span], num_before: int = 0
) -> Iterator[np.ndarray]:
    """Cut a stream of frames into clips as they become complete.

    Holds no more frames than the longest clip has with those before it, besides the clip that is
    yielded.

    Args:
        frames: (height, width, 3) frames in order of time, at least up to the last span's end.
        spans: clips sorted by start and by end, as in `ClipPlan.spans`; they may overlap.
        num_before: frames before each clip to yield with it, as far as there are any.

    Yields:
        (frame, height, width, 3) frames of each span, after those before it, in the order of
        `spans`.
    """
    longest = max(end - start for start, end in spans)
    newest: deque[np.ndarray] = deque(maxlen=longest + num_before)
    source = iter(frames)
    received = 0
    for start, end in spans:
        while received < end:
            newest.append(next(source))
            received += 1
        assert received == end, f"spans are not sorted by their end: {spans}"
        held = list(newest)
        yield np.stack(held[max(0, start - num_before) - end :])
