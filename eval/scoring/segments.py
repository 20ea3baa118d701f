"""Segments of a video whose prompt changes: the prompt of each clip, and means by segment."""

from __future__ import annotations

from collections.abc import Sequence

from eval.clip import ScoredSegment
from eval.scoring.results import ScoredClip


def scored_segments(
    start_frames: Sequence[int], prompts: Sequence[str], num_frames: int
) -> tuple[ScoredSegment, ...]:
    """Return the segments that begin within the scored frames; none for a single prompt.

    Args:
        start_frames: first video frame of each segment.
        prompts: evaluation prompt of each segment.
        num_frames: video frames that are scored.
    """
    if len(prompts) == 1:
        return ()
    pairs = zip(start_frames, prompts, strict=True)
    return tuple(ScoredSegment(start, prompt) for start, prompt in pairs if start < num_frames)


def segment_of(segments: Sequence[ScoredSegment], start_frame: int, end_frame: int) -> int:
    """Return the index of the segment that holds the middle of a clip."""
    return sum(2 * segment.start_frame <= start_frame + end_frame for segment in segments) - 1


def segment_means(
    segments: Sequence[ScoredSegment],
    clips: Sequence[ScoredClip],
    values: Sequence[float | None],
) -> tuple[float | None, ...]:
    """Return the mean value of each segment's clips.

    Args:
        segments: the segments.
        clips: the clips, none of them twice.
        values: a value for each clip, None where the metric failed.

    Returns:
        None for a segment without clips, or with one that failed.
    """
    means: list[float | None] = []
    own = [segment_of(segments, clip.start_frame, clip.end_frame) for clip in clips]
    for index in range(len(segments)):
        found = [value for value, segment in zip(values, own, strict=True) if segment == index]
        whole = [value for value in found if value is not None]
        means.append(sum(whole) / len(whole) if whole and len(whole) == len(found) else None)
    return tuple(means)
