"""Recall without truth: does a view that a script leaves and returns to look as it did?

A segment is a return if its evaluation prompt is that of an earlier segment, with another one
between them. Its frames are compared with those of the first such segment *in this video*, so what
the model imagined then is the truth. The first `SETTLED_S` of every segment but the video's first
are left out, because the camera is on its way.

With a first view in two halves h_1, h_2 and frames X, N(X) is the mean, over both halves and all
x in X, of the largest cosine of x with a frame of the half. Three numbers are taken:

- own: N of each half to the other one, which is as close as the view is to itself;
- floor: mean N of the segments since the view was last in the picture;
- back: N of the return, of which at most the length of the first view counts.

Recall is (back - floor) / (own - floor). All compare with half a view, so none has more frames to
choose from. It is not limited: another place may be below 0, a stiller picture above 1.

Letters: F looked-at frames, D feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

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
    Network,
    Outputs,
)
from eval.metrics.features import unit_vectors
from eval.metrics.switches import NOISE, SETTLED_S, SeenClip, Timeline, seen_clip, segment_index
from eval.metrics.switches import timeline as timeline_of
from eval.networks.image_features import EFFICIENTNET_LITE0, FRAME_STEP
from eval.recall.ages import age_part
from eval.vbench_long.networks.dino import DINO

LEAST = 0.01
"""A smaller difference of cosines between a view and what follows it is none."""


class _Return(NamedTuple):
    """A segment that shows an earlier view again: indices of segments."""

    first: int
    between: range
    again: int


class ViewRecall(ClipMean):
    """Likeness of a view that returns to its first time, by EfficientNet-Lite0's features."""

    networks: tuple[Network, ...] = (EFFICIENTNET_LITE0,)
    step = 1
    """Distance of the features to keep; the network looks at every fourth frame."""
    info = MetricInfo(
        name="view_recall",
        title="View recall",
        direction=Direction.higher,
        unit="1 = the same, 0 = as what was between",
        description=(
            "Likeness of a view that the script returns to, to its first time in this video "
            "(EfficientNet-Lite0): 1 as near as the first view is to itself, 0 as far as what was "
            "shown between. Null where the video does not leave the view."
        ),
        heading=Heading.consistency,
        kind=Kind.proxy,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> SeenClip:
        """Keep the features of every fourth frame.

        Raises:
            MetricUnavailable: the prompt doesn't change.
        """
        features_FD = unit_vectors(outputs[self.networks[0]][:: self.step])
        return seen_clip(clip, 0.0, FRAME_STEP, features_FD)

    def combine(self, measures: Sequence[ClipMeasure]) -> Combined:
        """Return the mean over the returns, and as parts the means by seconds of absence.

        Raises:
            MetricUnavailable: nothing returns, or no view is distinct from what follows it.
        """
        line = timeline_of(measures)
        values = _values(line)
        parts: dict[str, list[float]] = {}
        for found, value in values.items():
            starts = [line.segments[index].start_frame for index in (found.between[0], found.again)]
            absence_s = round(2 * (starts[1] - starts[0]) / line.clip.fps) / 2
            parts.setdefault(age_part(absence_s), []).append(value)
        return Combined(
            float(np.mean(list(values.values()))),
            {part: float(np.mean(of)) for part, of in parts.items()},
        )

    def curve(self, measures: Sequence[ClipMeasure]) -> list[float | None]:
        """Return the number of the return on the clips of its segment; None elsewhere."""
        values = {found.again: value for found, value in _values(timeline_of(measures)).items()}
        return [values.get(segment_index(m)) if isinstance(m, SeenClip) else None for m in measures]


class ViewRecallDino(ViewRecall):
    """The same by the features of DINO, as VBench compares subjects."""

    networks = (DINO,)
    step = FRAME_STEP
    info = MetricInfo(
        name="view_recall_dino",
        title="View recall (DINO)",
        direction=Direction.higher,
        unit="1 = the same, 0 = as what was between",
        description=(
            "Likeness of a view that the script returns to, to its first time in this video "
            "(DINO ViT-B/16): 1 as near as the first view is to itself, 0 as far as what was "
            "shown between. Null where the video does not leave the view."
        ),
        heading=Heading.consistency,
        kind=Kind.proxy,
    )


def _values(line: Timeline) -> dict[_Return, float]:
    """Return the recall of every return.

    Raises:
        MetricUnavailable: none has a number.
    """
    returns = _returns(line)
    if not returns:
        raise MetricUnavailable(
            f"no segment with more than {SETTLED_S:g} s returns to an earlier evaluation prompt"
        )
    values = {found: _recall(line, found) for found in returns}
    known = {found: value for found, value in values.items() if value is not None}
    if not known:
        raise MetricUnavailable(
            "what is shown between is like the first view: the video doesn't leave it"
        )
    return known


def _returns(line: Timeline) -> list[_Return]:
    """Return the segments that show an earlier view again, if all of theirs are long enough."""
    prompts = [segment.prompt for segment in line.segments]
    found = []
    for index, prompt in enumerate(prompts):
        earlier = [other for other in range(index) if prompts[other] == prompt]
        if earlier and earlier[-1] < index - 1:
            item = _Return(earlier[0], range(earlier[-1] + 1, index), index)
            views = [_view(line, other) for other in (item.first, *item.between, index)]
            # Halves of a single frame each would have no distance within them.
            if len(views[0]) >= 4 and all(len(view_FD) for view_FD in views):
                found.append(item)
    return found


def _view(line: Timeline, index: int) -> np.ndarray:
    """Return what was seen in a segment, without the time to get there."""
    starts = [segment.start_frame for segment in line.segments]
    end = [*starts[1:], int(line.frames_F[-1]) + 1][index]
    return line.seen(range(starts[index] + (line.settled if index else 0), end))


def _recall(line: Timeline, found: _Return) -> float | None:
    """Return the number of one return; None if what is between is like the view."""
    first_FD = _view(line, found.first)
    middle = len(first_FD) // 2
    halves = first_FD[:middle], first_FD[middle:]
    own_F = np.concatenate([_nearest(halves[0], halves[1]), _nearest(halves[1], halves[0])])
    own = float(own_F.mean())
    floor = float(np.mean([_mean_nearest(_view(line, one), halves) for one in found.between]))
    if own - floor <= max(LEAST, NOISE * float(own_F.std())):
        return None
    back_FD = _view(line, found.again)[: len(first_FD)]
    return (_mean_nearest(back_FD, halves) - floor) / (own - floor)


def _mean_nearest(seen_FD: np.ndarray, halves: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.mean([_nearest(seen_FD, half_FD).mean() for half_FD in halves]))


def _nearest(seen_FD: np.ndarray, other_FD: np.ndarray) -> np.ndarray:
    """Return the largest cosine of each frame with one of the others."""
    return np.asarray((seen_FD @ other_FD.T).max(axis=1))
