"""Metrics of changes of the prompt: how soon one shows, how far it goes, what survives.

A switch is the first frame of a segment. It is judged by the frames before it and by those at the
end of its segment, `SETTLED_S` each, so a scene that takes a while to change has time to. The
number of a video is the mean over its switches, the parts are the switches, and the curve has the
number of a switch on every clip of its segment, so that its mean by segment is that number.

Letters: F looked-at frames, D feature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from eval.clip import ScoredSegment
from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Combined,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
    Outputs,
)
from eval.metrics.text_alignment import chosen_networks
from eval.networks.image_features import EFFICIENTNET_LITE0, FRAME_STEP
from eval.scoring.segments import segment_of

SETTLED_S = 2.0
"""Seconds before a switch, and at the end of its segment, that are compared."""
NOISE = 2.0
"""A change counts from this many standard deviations of the frames before the switch."""
_NO_CLIP = Clip(np.empty(0), 0, 1, "")


@dataclass(frozen=True)
class SeenClip(ClipMeasure):
    """Adds what a switch metric remembers of a clip.

    Attributes:
        clip: the clip without any frames.
        end_frame: video frame after its last.
        step: distance of looked-at frames.
        seen_FD: what was seen in each of them, any shape behind the frames.
        text_D: embedding of the clip's prompt, where the metric has one.
    """

    clip: Clip = _NO_CLIP
    end_frame: int = 0
    step: int = 1
    seen_FD: np.ndarray | None = None
    text_D: np.ndarray | None = None


@dataclass(frozen=True)
class Switch:
    """One switch: index of its segment, and the frames of the segment before and its own."""

    index: int
    before: range
    after: range


@dataclass(frozen=True)
class Timeline:
    """The looked-at frames of a video.

    Attributes:
        frames_F: their numbers, ascending.
        seen_FD: what was seen in them.
        texts: embedding of the prompt of each segment that has a clip of its own.
        clip: any clip of the video, without frames.
    """

    frames_F: np.ndarray
    seen_FD: np.ndarray
    texts: dict[int, np.ndarray | None]
    clip: Clip

    @property
    def segments(self) -> tuple[ScoredSegment, ...]:
        """Return the segments of the video."""
        return self.clip.segments

    @property
    def settled(self) -> int:
        """Return `SETTLED_S` in frames."""
        return round(SETTLED_S * self.clip.fps)

    def seen(self, frames: range) -> np.ndarray:
        """Return what was seen in the looked-at frames of a range."""
        return self.seen_FD[(self.frames_F >= frames.start) & (self.frames_F < frames.stop)]

    def switches(self) -> Iterator[Switch]:
        """Yield the switches with `SETTLED_S` of frames on both sides."""
        end = int(self.frames_F[-1]) + 1
        starts = [segment.start_frame for segment in self.segments]
        for index in range(1, len(starts)):
            before = range(starts[index - 1], starts[index])
            after = range(starts[index], min([*starts[index + 1 :], end]))
            # A looked-at frame stands for those up to the next one.
            long_enough = self.settled - FRAME_STEP
            if index in self.texts and min(len(before), len(after)) > long_enough:
                yield Switch(index, before, after)


def timeline(measures: Sequence[ClipMeasure]) -> Timeline:
    """Join the clips of a video; the last one may overlap the one before.

    Of the clips of several durations, those of the longest are joined.
    """
    clips = _longest([measure for measure in measures if isinstance(measure, SeenClip)])
    rows: dict[int, np.ndarray] = {}
    texts: dict[int, np.ndarray | None] = {}
    for one in clips:
        assert one.seen_FD is not None
        for place, seen in enumerate(one.seen_FD):
            rows[one.clip.start_frame + place * one.step] = seen
        texts[segment_index(one)] = one.text_D
    frames = sorted(rows)
    return Timeline(
        np.array(frames), np.stack([rows[frame] for frame in frames]), texts, clips[0].clip
    )


def _longest(clips: Sequence[SeenClip]) -> list[SeenClip]:
    """Leave out clips that begin within the one before and end before the video does."""
    end_frame = max(one.end_frame for one in clips)
    kept: list[SeenClip] = []
    for one in sorted(clips, key=lambda one: (one.clip.start_frame, -one.end_frame)):
        follows = not kept or one.clip.start_frame >= kept[-1].end_frame
        if follows or one.end_frame == end_frame:
            kept.append(one)
    return kept


def segment_index(one: SeenClip) -> int:
    """Return the index of the segment that a clip belongs to."""
    return segment_of(one.clip.segments, one.clip.start_frame, one.end_frame)


def seen_clip(
    clip: Clip, score: float, step: int, seen_FD: np.ndarray, text_D: np.ndarray | None = None
) -> SeenClip:
    """Return the measure of a clip of a video whose prompt changes.

    Raises:
        MetricUnavailable: the prompt doesn't change.
    """
    if len(clip.segments) < 2:
        raise MetricUnavailable("the prompt does not change")
    end = clip.start_frame + len(clip.frames_FHWC)
    bare = replace(clip, frames_FHWC=np.empty(0), before_FHWC=np.empty(0))
    return SeenClip(score, None, None, bare, end, step, seen_FD, text_D)


class SwitchMetric(ClipMean, ABC):
    """Base of the metrics of switches; `_value` gives the number of one."""

    info: MetricInfo

    def combine(self, measures: Sequence[ClipMeasure]) -> Combined:
        """Return the mean over the switches, and each of them as a part.

        Raises:
            MetricUnavailable: no switch has a number.
        """
        values = self._values(measures)
        if not values:
            raise MetricUnavailable(
                f"no switch has {SETTLED_S:g} s on both sides that can be compared"
            )
        parts = {f"switch {index}": value for index, value in values.items()}
        return Combined(float(np.mean(list(values.values()))), parts)

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float | None]:
        """Return the number of the switch that each clip's segment began with."""
        values = self._values(measures)
        return [values.get(segment_index(m)) if isinstance(m, SeenClip) else None for m in measures]

    def _values(self, measures: Sequence[ClipMeasure]) -> dict[int, float]:
        line = timeline(measures)
        found = {switch.index: self._value(line, switch) for switch in line.switches()}
        return {index: value for index, value in found.items() if value is not None}

    @abstractmethod
    def _value(self, line: Timeline, switch: Switch) -> float | None:
        """Return the number of one switch; None if it doesn't apply to it."""


def latency_blocks(line: Timeline, switch: Switch, along: np.ndarray, level: float | None) -> float:
    """Return how many blocks of a segment passed before the new prompt showed.

    Args:
        line: the video.
        switch: the switch.
        along: of each looked-at frame of the new segment, how far it is from old to new.
        level: what a block's mean must reach; None if the switch never arrived.

    Returns:
        0 if the first block does; the blocks of the segment if none does.

    Raises:
        MetricUnavailable: the length of a block isn't known.
    """
    block = line.clip.block_frames
    if block is None:
        raise MetricUnavailable("the length of a block is not known of this video")
    frames = line.frames_F[
        (line.frames_F >= switch.after.start) & (line.frames_F < switch.after.stop)
    ]
    blocks = (frames - switch.after.start) // block
    if level is not None:
        for index in np.unique(blocks):
            if along[blocks == index].mean() >= level:
                return float(index)
    return float(ceil(len(switch.after) / block))


class _TextSwitch(SwitchMetric):
    """A metric of switches by open_clip: how near frames are to the new prompt, not the old one."""

    def __init__(self) -> None:
        self._images, self._text = chosen_networks()
        self.networks = (self._images, self._text)

    def measure(self, clip: Clip, outputs: Outputs) -> SeenClip:
        """Keep the embeddings of every fourth frame and of the prompt.

        Raises:
            MetricUnavailable: the video has no prompt, or a single one.
        """
        clip.require_prompt()
        images_FD = outputs[self._images].astype(np.float64)
        text_D = outputs[self._text].astype(np.float64)
        return seen_clip(clip, float((images_FD @ text_D).mean()), FRAME_STEP, images_FD, text_D)

    def _along(self, line: Timeline, switch: Switch) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Return cosine with the new minus the old prompt, at the end before and in the segment.

        The third number is its change, from the end of one segment to the end of the next.
        """
        old, new = line.texts.get(switch.index - 1), line.texts[switch.index]
        if old is None or new is None or np.array_equal(old, new):
            return None
        towards_D = new - old
        before = line.seen(switch.before[-line.settled :]) @ towards_D
        after = line.seen(switch.after) @ towards_D
        settled = line.seen(switch.after[-line.settled :]) @ towards_D
        return before, after, float(settled.mean() - before.mean())


class SwitchText(_TextSwitch):
    """Response to the new prompt: how much closer frames get to it than to the old one."""

    info = MetricInfo(
        name="switch_text",
        title="Switch: text followed",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "Gain of the cosine with the new prompt minus that with the old one (open_clip), from "
            "the last 2 s before a switch to the last 2 s of its segment; 0 where it is ignored."
        ),
        heading=Heading.prompt,
        kind=Kind.proxy,
    )

    def _value(self, line: Timeline, switch: Switch) -> float | None:
        found = self._along(line, switch)
        return None if found is None else found[2]


class SwitchLatency(_TextSwitch):
    """Blocks until the picture has changed halfway from the old prompt to the new one."""

    info = MetricInfo(
        name="switch_latency",
        title="Switch latency",
        direction=Direction.lower,
        unit="blocks",
        description=(
            "Blocks after a switch before the cosine with the new minus the old prompt (open_clip) "
            "has made half of its change; 0 if the first block has. A change within two standard "
            "deviations of the 2 s before is none, and counts all blocks of the segment."
        ),
        heading=Heading.prompt,
        kind=Kind.proxy,
    )

    def _value(self, line: Timeline, switch: Switch) -> float | None:
        found = self._along(line, switch)
        if found is None:
            return None
        before, after, change = found
        arrived = change > NOISE * before.std()
        level = float(before.mean()) + change / 2 if arrived else None
        return latency_blocks(line, switch, after, level)


class SwitchIdentity(SwitchMetric):
    """Likeness of the picture's main object before a switch and after it: what survives."""

    networks = (EFFICIENTNET_LITE0,)
    info = MetricInfo(
        name="switch_identity",
        title="Switch: identity kept",
        direction=Direction.higher,
        unit="cosine",
        description=(
            "Cosine of the mean EfficientNet-Lite0 features of the last 2 s before a switch and "
            "of the last 2 s of its segment. Read it beside the text: a video that ignores the "
            "new prompt keeps everything."
        ),
        heading=Heading.consistency,
        kind=Kind.proxy,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> SeenClip:
        """Keep the features of every fourth frame.

        Raises:
            MetricUnavailable: the prompt doesn't change.
        """
        features_FD = outputs[EFFICIENTNET_LITE0].astype(np.float64)
        features_FD /= np.linalg.norm(features_FD, axis=1, keepdims=True)
        return seen_clip(clip, 0.0, FRAME_STEP, features_FD)

    def _value(self, line: Timeline, switch: Switch) -> float:
        means: list[Any] = [
            line.seen(frames[-line.settled :]).mean(axis=0)
            for frames in (switch.before, switch.after)
        ]
        old_D, new_D = (mean_D / np.linalg.norm(mean_D) for mean_D in means)
        return float(old_D @ new_D)
