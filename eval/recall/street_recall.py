"""Recall on the street: does what left the view look the same when it comes back?

Every visit of a place is compared with the first visit of the same place *in this video*, so that a
figure imagined then is the truth of all later ones and no mistake is counted twice. The
distance is put between two marks: 1 is no difference, 0 is the distance to the other figures of
this video, which a new random figure would have on average. Worse than that is negative.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from backbones.world.street.script import GAP_PX
from eval.metric import Direction, Heading, Kind, MetricInfo, MetricUnavailable
from eval.recall.street_metric import Number, StreetClip, StreetMetric
from eval.recall.street_visits import Visits, distance, edges, visits_of

# The disc that every figure fills almost entirely, outline included.
RADIUS_PX = 11
SHIFT_PX = 2
# A view with less than this mean gradient shows no figure: rendered figures have 0.024 to 0.1, by
# night 0.013 and more, and the hills between them at most 0.006.
FEWEST_EDGES = 0.008


class _WalkMetric(StreetMetric):
    """A metric of walks past figures."""

    offset_px: ClassVar[int] = 0

    def numbers(self, clips: Sequence[StreetClip]) -> list[Number]:
        """Return the number of every later visit, by the seconds since the first one.

        Raises:
            MetricUnavailable: nothing returns, or the first visits show no figures.
        """
        visits = visits_of(clips, self.offset_px)
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
                found.append(Number(age_s, visit.end_frame, value))
        if not found:
            raise MetricUnavailable("the first visits show no figures")
        return found

    @abstractmethod
    def _value(self, visits: Visits, view_HWC: np.ndarray, figure: int) -> float | None:
        """Return the number of one return; None if its first visit shows nothing to remember."""


class FigureRecall(_WalkMetric):
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


class PlaceRecall(_WalkMetric):
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
