"""The number of a row from its videos: as the official code averages, and as a mean over videos.

`official`: the mean over all clips of all videos, so that a long video weighs more. Consistency is
fused by the official look-up, which cuts the name of a video at its first "_". `per_video`: the
mean of the videos' numbers.

The two are never mixed. They are equal if all videos have the same number of clips, more than one,
and no prompt has a "_". The exception is overall consistency, for which the official code compares
with the prompt followed by "-0".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.scoring.results import Scores
from eval.vbench_long.fusion import fuse

DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
    "overall_consistency",
)
FUSED = DIMENSIONS[:2]


@dataclass(frozen=True)
class DimensionScore:
    """One dimension of a row.

    Attributes:
        official: with the official aggregation; None if any clip has no score.
        per_video: mean of the videos' numbers; None if any video has none.
        num_videos: number of videos.
        num_clips: number of their clips.
        reasons: why scores are missing.
    """

    official: float | None
    per_video: float | None
    num_videos: int
    num_clips: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class VideoClips:
    """One dimension of one video at one duration.

    Attributes:
        name: name of the video file in the official layout, without suffix.
        scores: official clip scores; None for a clip without one.
        num_pairs: number of pairs of neighbouring frames in each clip.
        number: the video's number.
        mapped: mapped clip-to-clip score; None for dimensions without one and for single clips.
        reason: why the number is missing.
    """

    name: str
    scores: tuple[float | None, ...]
    num_pairs: tuple[int, ...]
    number: float | None
    mapped: float | None
    reason: str | None


def score_dataset(videos: Sequence[Scores], duration: str) -> dict[str, DimensionScore]:
    """Return the dimensions of one row.

    Args:
        videos: scores of the row's videos that have the duration.
        duration: name of the duration.
    """
    return score_videos([dimensions_of(video, duration) for video in videos])


def dimensions_of(video: Scores, duration: str) -> dict[str, VideoClips]:
    """Return what a row takes of one video: its dimensions, with the prompt in place of a name."""
    return {dimension: _clips(video, dimension, duration) for dimension in DIMENSIONS}


def score_videos(videos: Sequence[Mapping[str, VideoClips]]) -> dict[str, DimensionScore]:
    """Return the dimensions of one row; `videos` are of `dimensions_of`."""
    names = official_names([video[DIMENSIONS[0]].name for video in videos])
    return {
        dimension: _dimension(
            dimension,
            [
                replace(video[dimension], name=name)
                for name, video in zip(names, videos, strict=True)
            ],
        )
        for dimension in DIMENSIONS
    }


def official_names(prompts: Sequence[str]) -> list[str]:
    """Return the names of videos in the official layout: prompt, and number of the sample."""
    samples: Counter[str] = Counter()
    names = []
    for prompt in prompts:
        names.append(f"{prompt}-{samples[prompt]}")
        samples[prompt] += 1
    return names


def official_mean(dimension: str, videos: Sequence[VideoClips]) -> float | None:
    """Return the official dataset number; None if a clip has no score."""
    scores = [score for video in videos for score in video.scores]
    if not scores or any(score is None for score in scores):
        return None
    known = [score for score in scores if score is not None]
    if dimension not in FUSED:
        return float(np.mean(known))
    mapped = {video.name: video.mapped for video in videos if video.mapped is not None}
    if not mapped:
        # No video has two clips, so there is nothing to fuse. The official code then averages the
        # subject over all pairs of frames, the background over clips.
        pairs = [pairs for video in videos for pairs in video.num_pairs]
        weights = pairs if dimension == "subject_consistency" else None
        return float(np.average(known, weights=weights))
    # The official code finds a video's mapped score by the part of the clip's file name before "_".
    # A prompt that contains "_" therefore finds none, or that of another video; 0 means none.
    fused = [
        fuse(score, mapped.get(video.name.split("_")[0], 0.0))
        for video in videos
        for score in video.scores
        if score is not None
    ]
    return float(np.mean(fused))


def _dimension(dimension: str, videos: Sequence[VideoClips]) -> DimensionScore:
    numbers = [video.number for video in videos if video.number is not None]
    complete = bool(videos) and len(numbers) == len(videos)
    return DimensionScore(
        official=official_mean(dimension, videos) if complete else None,
        per_video=float(np.mean(numbers)) if complete else None,
        num_videos=len(videos),
        num_clips=sum(len(video.scores) for video in videos),
        reasons=tuple(sorted({video.reason for video in videos if video.reason})),
    )


def _clips(video: Scores, dimension: str, duration: str) -> VideoClips:
    metric, indices = video.metrics[dimension], video.durations[duration].clips
    scores = metric.official_clip_scores or metric.clip_scores
    return VideoClips(
        name=video.prompt,
        scores=tuple(scores[i] for i in indices) if scores else (None,) * len(indices),
        num_pairs=tuple(
            clip.end_frame - clip.start_frame - 1 for clip in (video.clips[i] for i in indices)
        ),
        number=metric.durations[duration],
        mapped=metric.parts.get(duration, {}).get("mapped"),
        reason=metric.reason if metric.durations[duration] is None else None,
    )
