"""Does the visitor that comes back look like the one that left, or unlike, as the script says?

Every stay is compared with the first stay of each earlier visitor *in this video*, so that a
visitor imagined then is the truth of all later ones. As for the figures of a walk, 1 means no
difference and 0 the distance to another figure; here others are rendered under the same sky, as a
video may show no other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np
import torch

from backbones.world.street.actors import SIDE_PX
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.render import render_frames
from backbones.world.street.scene import draw_street
from backbones.world.street.script import FPS, Script, Shot
from backbones.world.street.visitor import AWAY_PX
from eval.metric import Direction, Heading, Kind, MetricInfo, MetricUnavailable
from eval.recall.street_metric import Number, StreetClip, StreetMetric, StreetVideo
from eval.recall.street_recall import FEWEST_EDGES, RADIUS_PX, SHIFT_PX
from eval.recall.street_visits import cut, distance, edges

# A stay more like an earlier visitor than this shows it again. Of 480 pairs of drawn figures 2 in
# 100 are more alike; a figure through the VAE is more like itself than 0.7.
SAME = 0.5
_OTHERS = 12
_FEWEST_FRAMES = 4


@dataclass(frozen=True)
class _Stay:
    """A visitor in the middle of the picture.

    Attributes:
        visitor: who it is by the script.
        start_frame: the first video frame that shows it there.
        end_frame: the one after the last.
        view_HWC: the median over these frames of what stands there.
    """

    visitor: int
    start_frame: int
    end_frame: int
    view_HWC: np.ndarray

    @property
    def is_empty(self) -> bool:
        """Return whether no visitor is there."""
        return edges(self.view_HWC) < FEWEST_EDGES


class _VisitorMetric(StreetMetric):
    """A metric of scripts of the visitor."""

    scene = Scene.visitor

    def numbers(self, clips: Sequence[StreetClip]) -> list[Number]:
        """Return the number of every stay after an absence, by the seconds of absence.

        The absence of a visitor who was there before counts from its last stay, that of another one
        from the last stay of all.

        Raises:
            MetricUnavailable: no visitor comes back, or none was there to begin with.
        """
        video = StreetVideo.of(clips)
        stays = _stays(video)
        if len(stays) < 2:
            raise MetricUnavailable("no visitor leaves the view and comes back")
        first: dict[int, _Stay] = {}
        last_end: dict[int, int] = {}
        found, end_frame, before = [], 0, -1
        for stay in stays:
            known = stay.visitor in first
            shown = {who: one for who, one in first.items() if not one.is_empty}
            if shown and not (known and first[stay.visitor].is_empty):
                value = self._value(video.script.prompts[0], shown, stay)
                age_s = (stay.start_frame - last_end.get(stay.visitor, end_frame)) / FPS
                if value is not None:
                    again = "the same" if stay.visitor == before else "an earlier one"
                    part = again if known else "another"
                    found.append(Number(round(2 * age_s) / 2, stay.end_frame, value, part))
            first.setdefault(stay.visitor, stay)
            last_end[stay.visitor] = end_frame = stay.end_frame
            before = stay.visitor
        if not found:
            raise MetricUnavailable("the first stays show no visitor")
        return found

    @abstractmethod
    def _value(self, prompt: StreetPrompt, earlier: dict[int, _Stay], stay: _Stay) -> float | None:
        """Return the number of one stay; None if it has none."""


class VisitorRecall(_VisitorMetric):
    """Likeness of a visitor who comes back to its own first stay."""

    info = MetricInfo(
        name="visitor_recall",
        title="Visitor recall",
        direction=Direction.higher,
        unit="1 = the same, 0 = another figure",
        description=(
            "Likeness of every visitor who comes back to its first stay in this video, between the "
            "distance to other figures (0) and none (1). One who fails to come counts 0."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _value(self, prompt: StreetPrompt, earlier: dict[int, _Stay], stay: _Stay) -> float | None:
        if stay.visitor not in earlier:
            return None
        return 0.0 if stay.is_empty else _likeness(prompt, stay, earlier[stay.visitor])


class VisitorIdentity(_VisitorMetric):
    """Share of stays that show the visitor named by the script."""

    info = MetricInfo(
        name="visitor_identity",
        title="Visitor identity",
        direction=Direction.higher,
        unit="share of stays",
        description=(
            "Share of stays after an absence that show whom the script says: most like the right "
            "one of the earlier visitors of this video, or like none of them where another comes."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _value(self, prompt: StreetPrompt, earlier: dict[int, _Stay], stay: _Stay) -> float | None:
        if stay.is_empty:
            return 0.0
        likeness = {who: _likeness(prompt, stay, one) for who, one in earlier.items()}
        nearest = max(likeness, key=likeness.__getitem__)
        shown = nearest if likeness[nearest] > SAME else None
        return float(shown == (stay.visitor if stay.visitor in earlier else None))


def _stays(video: StreetVideo) -> list[_Stay]:
    """Return all stays in order of time, under the sky of the first frame."""
    path = video.script.visitor
    visitor_F = path.visitor.numpy()[video.times]
    away_F = path.away_px.numpy()[video.times]
    absences_F = np.cumsum(away_F == AWAY_PX)
    there = np.flatnonzero((away_F == 0) & video.plain_F)
    found = []
    for _, group in groupby(there, key=lambda index: absences_F[index]):
        indices = np.array(list(group))
        if len(indices) >= _FEWEST_FRAMES:
            views = [cut(video.frames_FHWC[index], SIDE_PX // 2) for index in indices]
            start, end = int(video.times[indices[0]]), int(video.times[indices[-1]]) + 1
            found.append(_Stay(int(visitor_F[indices[0]]), start, end, np.median(views, axis=0)))
    return found


def _likeness(prompt: StreetPrompt, stay: _Stay, other: _Stay) -> float:
    own = _distance(stay.view_HWC, other.view_HWC)
    others = [_distance(stay.view_HWC, view) for view in _others(prompt.sky, prompt.land)]
    return 1 - own / max(float(np.mean(others)), 1e-6)


def _distance(view_HWC: np.ndarray, other_HWC: np.ndarray) -> float:
    return distance(view_HWC, other_HWC, RADIUS_PX, SHIFT_PX)


@cache
def _others(sky: str, land: str) -> list[np.ndarray]:
    """Return views of drawn figures in the middle of the picture."""
    script = Script((Shot(StreetPrompt(sky, land, Scene.visitor, "staying"), 1),))
    views = []
    for seed in range(_OTHERS):
        street = draw_street(script.num_figures, seed)
        picture = render_frames(street, script, torch.zeros(1, dtype=torch.long))[0]
        frame_HWC = ((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        views.append(cut(frame_HWC, SIDE_PX // 2))
    return views
