"""Exact metrics of the tiny world: the distance of a video from its prompt's description.

A prompt of the grammar fixes the sky's gradient, the land's color and the look of the subject, so
these errors need no reference video and no learned features. They are zero, up to rounding, on
frames the world itself renders. All are lower-is-better; a video's number is the mean over clips.

95th percentiles over 200 rendered scenes, as 8-bit frames / after a Gaussian blur of 0.7 px:
sky 0.001 / 0.001, land 0.001 / 0.001, subject color 0.010 / 0.04, subject shape 0.15 / 0.15.
A wrong word of the prompt gives medians of 0.36 (sky), 0.23 (land), 0.18 (color), 0.36 (shape).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache

import numpy as np

from backbones.world.geometry import HEIGHT_PX, WIDTH_PX, land_rows, sky_rows
from backbones.world.grammar import ScenePrompt
from backbones.world.prompt_colors import land_range_HC, mixture_distance, sky_HC
from backbones.world.subject_match import SubjectMatch, match_subject
from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
)
from harness.core.errors import LongtakeError

_FRAME_SHAPE = (HEIGHT_PX, WIDTH_PX, 3)


class _WorldMetric(ClipMean, ABC):
    """A metric of videos whose prompt is a sentence of the tiny world's grammar."""

    info: MetricInfo

    def measure(self, clip: Clip) -> ClipMeasure:
        """Measure one clip.

        Raises:
            MetricUnavailable: the prompt is outside the grammar, or the frames are not 128x128.
        """
        try:
            prompt = ScenePrompt.parse(clip.prompt)
        except LongtakeError as error:
            raise MetricUnavailable(
                f"{self.info.name} needs a prompt of the tiny world: {error}"
            ) from error
        if clip.frames_FHWC.shape[1:] != _FRAME_SHAPE:
            height, width = clip.frames_FHWC.shape[1:3]
            raise MetricUnavailable(
                f"{self.info.name} needs {WIDTH_PX}x{HEIGHT_PX} frames of the tiny world, "
                f"got {width}x{height}."
            )
        return ClipMeasure(self._score(clip.frames_FHWC, prompt))

    @abstractmethod
    def _score(self, frames_FHWC: np.ndarray, prompt: ScenePrompt) -> float: ...


class SkyError(_WorldMetric):
    """Mean absolute RGB error of the rows that show only sky, against the prompt's gradient.

    The rows follow from the bounds of the world: 0..19, fewer where the subject hops (0..4 for a
    hopping kite). All frames and columns count.
    """

    info = MetricInfo(
        name="sky_error",
        title="Sky error",
        direction=Direction.lower,
        unit="RGB difference, 0..1",
        description="Difference of the top rows to the exact sky of the prompt.",
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _score(self, frames_FHWC: np.ndarray, prompt: ScenePrompt) -> float:
        rows = sky_rows(prompt)
        shown = frames_FHWC[:, rows.start : rows.stop].astype(np.float32) / 255
        return float(np.abs(shown - sky_HC(prompt, rows)[:, None]).mean())


class LandError(_WorldMetric):
    """Mean absolute RGB error of the rows that show only near land, against its nearest shade.

    The land's color is known up to a shade, which depends on the unknown height of the ground. Each
    pixel is compared with the nearest (Euclidean) color its row can have. The rows follow from the
    bounds of the world: 114..127 for a hopping ball, fewer for a subject that reaches lower (126
    and 127 for a drifting kite). All frames and columns count.
    """

    info = MetricInfo(
        name="land_error",
        title="Land error",
        direction=Direction.lower,
        unit="RGB difference, 0..1",
        description="Difference of the bottom rows to the nearest shade of the prompt's land.",
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _score(self, frames_FHWC: np.ndarray, prompt: ScenePrompt) -> float:
        rows = land_rows(prompt)
        shown = frames_FHWC[:, rows.start : rows.stop].astype(np.float32) / 255
        darkest_HC, lightest_HC = land_range_HC(prompt, rows)
        return float(mixture_distance(shown, darkest_HC[:, None], lightest_HC[:, None]).mean())


class SubjectColorError(_WorldMetric):
    """Mean absolute RGB difference between the frame and the prompt's subject at its best pose.

    The pose is the one at which the drawn subject (shape, pattern, colors, outline) differs least
    from the frame; the difference is averaged over the pixels the subject covers. Two frames of a
    clip are looked at. A frame without a subject scores the difference of the best place there is.
    """

    info = MetricInfo(
        name="subject_color_error",
        title="Subject color error",
        direction=Direction.lower,
        unit="RGB difference, 0..1",
        description="Difference to the prompt's subject, drawn where it fits best.",
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _score(self, frames_FHWC: np.ndarray, prompt: ScenePrompt) -> float:
        return float(np.mean([match.color_error for match in _matches(frames_FHWC, prompt)]))


class SubjectShapeError(_WorldMetric):
    """1 - intersection over union of the subject's body in the frame and the prompt's shape.

    The prompt's subject is placed where it fits best, as for the color error. The body is what has
    the subject's colors rather than those of outline, sky, hills or land; exact rule in
    `backbones.world.subject_region`. 1 means that nothing of these colors is at the best place.
    """

    info = MetricInfo(
        name="subject_shape_error",
        title="Subject shape error",
        direction=Direction.lower,
        unit="1 - IoU",
        description="Mismatch of the subject's region and the prompt's shape at its best pose.",
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _score(self, frames_FHWC: np.ndarray, prompt: ScenePrompt) -> float:
        return float(np.mean([match.shape_error for match in _matches(frames_FHWC, prompt)]))


def _matches(frames_FHWC: np.ndarray, prompt: ScenePrompt) -> list[SubjectMatch]:
    """Find the subject in the frames at one and three quarters of a clip."""
    num = len(frames_FHWC)
    return [_match(frames_FHWC[num * quarter // 4].tobytes(), prompt) for quarter in (1, 3)]


# Both subject metrics use the same frames. 256 frames, 13 MB, are more than a 120 s video has.
@lru_cache(maxsize=256)
def _match(frame: bytes, prompt: ScenePrompt) -> SubjectMatch:
    return match_subject(np.frombuffer(frame, np.uint8).reshape(_FRAME_SHAPE), prompt)
