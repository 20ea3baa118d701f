"""Base of the metrics of the street: they keep the frames of a video until they know all of it.

Letters: F frame, H row, W column, C color.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np

from backbones.world.street.actors import SIDE_PX
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.script import FPS, Script
from eval.clip import ScoredSegment
from eval.metric import Clip, ClipMean, ClipMeasure, Combined, MetricInfo, MetricUnavailable
from eval.recall.ages import age_part
from harness.core.errors import LongtakeError


@dataclass(frozen=True)
class StreetClip(ClipMeasure):
    """The frames of a clip, kept for the comparison over the whole video.

    Attributes:
        frames_FHWC: RGB, uint8: a video of 120 s has 23 MB of them.
        start_frame: place of the first one in the video.
        changes: first video frame and prompt of every segment of the video.
    """

    frames_FHWC: np.ndarray | None = None
    start_frame: int = 0
    changes: tuple[tuple[int, StreetPrompt], ...] = ()


@dataclass(frozen=True)
class StreetVideo:
    """All frames of a video, and the script that it was made by.

    Attributes:
        script: at least as long as the frames.
        times: places of the frames in the video.
        frames_FHWC: RGB, uint8.
    """

    script: Script
    times: np.ndarray
    frames_FHWC: np.ndarray

    @classmethod
    def of(cls, clips: Sequence[StreetClip]) -> Self:
        """Join the clips of a video, in order of time."""
        # The last clip may begin within the one before it.
        frames = {
            clip.start_frame + number: frame_HWC
            for clip in clips
            if clip.frames_FHWC is not None
            for number, frame_HWC in enumerate(clip.frames_FHWC)
        }
        times = np.array(sorted(frames))
        script = Script.of_changes(clips[0].changes, int(times[-1]) + 1)
        return cls(script, times, np.stack([frames[time] for time in times]))

    @property
    def plain_F(self) -> np.ndarray:
        """True where the camera looks straight ahead under the sky of the first frame."""
        path = self.script.path
        sky = path.sky.numpy()
        tilt_F = path.tilt_px.numpy()[self.times]
        return (tilt_F == 0) & np.all(sky[self.times] == sky[0], axis=1)


class Number(NamedTuple):
    """One return.

    Attributes:
        age_s: seconds since what returns was seen.
        end_frame: the video frame after the last that shows the return.
        value: its number.
        part: name of a part that it also counts for; empty for none.
    """

    age_s: float
    end_frame: int
    value: float
    part: str = ""


def changes_of(clip: Clip, metric: str) -> tuple[tuple[int, StreetPrompt], ...]:
    """Return the first video frame and the prompt of every segment of a clip's video.

    Args:
        clip: any clip of the video.
        metric: name of the metric, for messages.

    Raises:
        MetricUnavailable: a prompt is not one of the street, the script is none that the scene can
            show, or the frames are not 64x64.
    """
    segments = clip.segments or (ScoredSegment(0, clip.prompt),)
    try:
        changes = tuple((one.start_frame, StreetPrompt.parse(one.prompt)) for one in segments)
        # Refuses what the scene can't show.
        Script.of_changes(changes, segments[-1].start_frame + 1)
    except LongtakeError as error:
        raise MetricUnavailable(f"{metric} needs a prompt of the street: {error}") from error
    if clip.frames_FHWC.shape[1:] != (SIDE_PX, SIDE_PX, 3) or clip.fps != FPS:
        height, width = clip.frames_FHWC.shape[1:3]
        raise MetricUnavailable(
            f"{metric} needs {SIDE_PX}x{SIDE_PX} frames at {FPS} per second, got "
            f"{width}x{height} at {clip.fps}."
        )
    return changes


class StreetMetric(ClipMean, ABC):
    """A metric of videos of one scene of the street: the mean over all that returns."""

    info: MetricInfo
    scene: ClassVar[Scene] = Scene.street

    def measure(self, clip: Clip) -> ClipMeasure:
        """Keep the frames of a clip; only the whole video has a number.

        Raises:
            MetricUnavailable: the prompt is not one of the scene, or the frames are not 64x64.
        """
        changes = changes_of(clip, self.info.name)
        scene = changes[0][1].scene
        if scene is not self.scene:
            raise MetricUnavailable(
                f"{self.info.name} is about the scene {self.scene}; this video is of the scene "
                f"{scene}"
            )
        return StreetClip(
            0.0, frames_FHWC=clip.frames_FHWC, start_frame=clip.start_frame, changes=changes
        )

    def combine(self, measures: Sequence[ClipMeasure]) -> Combined:
        """Return the mean over all returns; as parts the mean by seconds, and by kind of return.

        Raises:
            MetricUnavailable: nothing returns, or nothing was shown that could.
        """
        numbers = self.numbers(_clips(measures))
        values: dict[str, list[float]] = {}
        for number in numbers:
            values.setdefault(age_part(number.age_s), []).append(number.value)
        for number in numbers:
            if number.part:
                values.setdefault(number.part, []).append(number.value)
        mean = float(np.mean([number.value for number in numbers]))
        return Combined(mean, {part: float(np.mean(of)) for part, of in values.items()})

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float | None]:
        """Return the mean over the returns in each clip; None where nothing returns."""
        clips = _clips(measures)
        numbers = self.numbers(clips)
        values: list[float | None] = []
        for clip in clips:
            assert clip.frames_FHWC is not None
            end = clip.start_frame + len(clip.frames_FHWC)
            within = [one.value for one in numbers if clip.start_frame < one.end_frame <= end]
            values.append(float(np.mean(within)) if within else None)
        return values

    @abstractmethod
    def numbers(self, clips: Sequence[StreetClip]) -> list[Number]:
        """Return the number of every return.

        Raises:
            MetricUnavailable: there is none.
        """


def _clips(measures: Sequence[ClipMeasure]) -> list[StreetClip]:
    return [measure for measure in measures if isinstance(measure, StreetClip)]
