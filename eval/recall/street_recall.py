"""Recall on the street: does what left the view look the same when it comes back?

Every visit of a place is compared with the first visit of the same place *in this video*, so that a
figure imagined then is the truth of all later ones and no mistake is counted twice. The
distance is put between two marks: 1 is no difference, 0 is the distance to the other figures of
this video, which a new random figure would have on average. Worse than that is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.render import SIDE_PX
from backbones.world.street.script import FPS, GAP_PX, Script
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
)
from eval.recall.ages import age_part
from eval.recall.street_visits import StreetClip, Visits, distance, edges, visits_of
from harness.core.errors import LongtakeError

# The disc that every figure fills almost entirely, outline included.
RADIUS_PX = 11
SHIFT_PX = 2
# A view with less than this mean gradient shows no figure: rendered figures have 0.024 to 0.1, by
# night 0.013 and more, and the hills between them at most 0.006.
FEWEST_EDGES = 0.008


class _StreetMetric(ClipMean):
    """A metric of videos whose prompt is one of the street."""

    info: MetricInfo
    offset_px: ClassVar[int] = 0

    def measure(self, clip: Clip) -> ClipMeasure:
        """Keep the frames of a clip; only the whole video has a number.

        Raises:
            MetricUnavailable: the prompt is not one of the street, or the frames are not 64x64.
        """
        segments = clip.segments or (ScoredSegment(0, clip.prompt),)
        try:
            changes = tuple((one.start_frame, StreetPrompt.parse(one.prompt)) for one in segments)
            Script.of_changes(changes, segments[-1].start_frame + 1)  # refuses another street
        except LongtakeError as error:
            raise MetricUnavailable(
                f"{self.info.name} needs a prompt of the street: {error}"
            ) from (error)
        if clip.frames_FHWC.shape[1:] != (SIDE_PX, SIDE_PX, 3) or clip.fps != FPS:
            height, width = clip.frames_FHWC.shape[1:3]
            raise MetricUnavailable(
                f"{self.info.name} needs {SIDE_PX}x{SIDE_PX} frames at {FPS} per second, got "
                f"{width}x{height} at {clip.fps}."
            )
        return StreetClip(
            0.0, frames_FHWC=clip.frames_FHWC, start_frame=clip.start_frame, changes=changes
        )

    def combine(self, measures: Sequence[ClipMeasure]) -> Combined:
        """Return the mean over all returns; as parts the mean by seconds since the first visit.

        Raises:
            MetricUnavailable: nothing returns, or the first visits show no figures.
        """
        numbers = self._numbers(measures)
        by_age: dict[str, list[float]] = {}
        for age_s, _, value in numbers:
            by_age.setdefault(age_part(age_s), []).append(value)
        mean = float(np.mean([value for _, _, value in numbers]))
        return Combined(mean, {age: float(np.mean(values)) for age, values in by_age.items()})

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float | None]:
        """Return the mean over the returns in each clip; None where nothing returns."""
        numbers = self._numbers(measures)
        values: list[float | None] = []
        for clip in _clips(measures):
            assert clip.frames_FHWC is not None
            end = clip.start_frame + len(clip.frames_FHWC)
            within = [v for _, frame, v in numbers if clip.start_frame < frame <= end]
            values.append(float(np.mean(within)) if within else None)
        return values

    def _numbers(self, measures: Sequence[ClipMeasure]) -> list[tuple[float, int, float]]:
        """Return age in seconds, video frame and number of every return."""
        visits = visits_of(_clips(measures), self.offset_px)
        if not visits.returns:
            raise MetricUnavailable(
                f"nothing leaves the view and returns: a lap past {visits.num_figures} figures "
                f"takes {visits.lap_s:g} s of walking"
            )
        if len(visits.first) == 1:
            raise MetricUnavailable("a single place is looked at, and there is no other to compare")
        found = []
        for visit in visits.returns:
            value = self._value(visits, visit.view_HWC, visit.figure)
            if value is not None:
                age_s = visit.age_s(visits.first[visit.figure])
                found.append((age_s, visit.end_frame, value))
        if not found:
            raise MetricUnavailable("the first visits show no figures")
        return found

    def _value(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float | None:
        """Return the number of one return; None if its first visit shows nothing to remember."""
        raise NotImplementedError


class FigureRecall(_StreetMetric):
    """Likeness of every returning figure to its own first visit."""

    info = MetricInfo(
        name="figure_recall",
        title="Figure recall",
        direction=Direction.higher,
        unit="1 = the same, 0 = another figure",
        description=(
            "Likeness of every figure that returns to its first visit in this video, between the "
            "distance to other figures (0) and none (1). A figure that fails to return counts 0."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _value(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float | None:
        if edges(visits.first[figure].view_HWC) < FEWEST_EDGES:
            return None
        if edges(view_HWC) < FEWEST_EDGES:
            return 0.0
        return self._likeness(visits, view_HWC, figure)

    def _likeness(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float:
        return _recall(visits, view_HWC, figure)


class FigureIdentity(FigureRecall):
    """Share of returns that are most like their own first visit among all figures."""

    info = MetricInfo(
        name="figure_identity",
        title="Figure identity",
        direction=Direction.higher,
        unit="share of returns",
        description=(
            "Share of returning figures whose nearest figure, as first visited, is the right one; "
            "a random figure is right once in as many times as the street has figures."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _likeness(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float:
        distances = _distances(visits, view_HWC)
        return float(min(distances, key=distances.__getitem__) == figure)


class PlaceRecall(_StreetMetric):
    """Likeness of hills and land between two figures to their first visit."""

    info = MetricInfo(
        name="place_recall",
        title="Place recall",
        direction=Direction.higher,
        unit="1 = the same, 0 = another place",
        description=(
            "Likeness of the hills between two figures to the first visit of that place in this "
            "video, between the distance to its other places (0) and none (1)."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )
    offset_px = GAP_PX // 2

    def _value(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float | None:
        return _recall(visits, view_HWC, figure)


def _recall(visits: Visits, view_HWC: np.ndarray, figure: int) -> float:
    distances = _distances(visits, view_HWC)
    same = distances.pop(figure)
    return 1 - same / max(float(np.mean(list(distances.values()))), 1e-6)


def _distances(visits: Visits, view_HWC: np.ndarray) -> dict[int, float]:
    return {
        other: distance(view_HWC, item.view_HWC, RADIUS_PX, SHIFT_PX)
        for other, item in visits.first.items()
    }


def _clips(measures: Sequence[ClipMeasure]) -> list[StreetClip]:
    return [measure for measure in measures if isinstance(measure, StreetClip)]
