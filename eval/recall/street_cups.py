"""Is the ball under the cup where the exchanges have taken it?

Only lifted cups show the ball. Where it must be next follows from where *this video* showed it
last and from the exchanges of the script, so that a mistake counts once. An append-only memory
that shows the last view again is right only if the exchanges come to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from backbones.world.street.cups import BALL_Y_PX, LIFT_PX, PLACES_PX
from backbones.world.street.prompt import Scene
from backbones.world.street.script import FPS
from eval.metric import Direction, Heading, Kind, MetricInfo, MetricUnavailable
from eval.recall.street_metric import Number, StreetClip, StreetMetric, StreetVideo
from eval.recall.street_visits import edges

_FEWEST_FRAMES = 2
_REACH_PX = 9  # half a side of the square that the ball is looked for in
# A place with less than this mean gradient is empty, and so is one with less than this share of the
# strongest: rendered balls have 0.030 and more, by night 0.015 and through the VAE 0.009; empty
# places at most 0.0032.
FEWEST_EDGES, _CLEAR_SHARE = 0.006, 0.5


class CupsAccuracy(StreetMetric):
    """Share of looks that show the ball at the place where it must be, and only there."""

    info = MetricInfo(
        name="cups_accuracy",
        title="Cups accuracy",
        direction=Direction.higher,
        unit="share of looks",
        description=(
            "Share of looks under the cups that show one ball, at the place to which the exchanges "
            "took it since this video last showed it; a guess is right once in three times."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )
    scene = Scene.cups

    def numbers(self, clips: Sequence[StreetClip]) -> list[Number]:
        """Return 1 for every look that shows the ball where it must be, else 0.

        Raises:
            MetricUnavailable: the cups are lifted only once, or no look before the last shows one
                ball.
        """
        video = StreetVideo.of(clips)
        path = video.script.cups
        lifted = np.flatnonzero(path.lift_px.numpy()[video.times] == LIFT_PX)
        covered_F = np.cumsum(path.lift_px.numpy()[video.times] == 0)
        looks = [np.array(list(of)) for _, of in groupby(lifted, key=lambda i: covered_F[i])]
        looks = [look for look in looks if len(look) >= _FEWEST_FRAMES]
        if len(looks) < 2:
            raise MetricUnavailable("the cups are lifted only once")
        found = []
        before: tuple[np.ndarray, int] | None = None
        for look in looks:
            times = video.times[look]
            shown = _ball_place(video.frames_FHWC[look])
            cups = path.place.numpy()[times[0]]
            if before is not None:
                then, place = before
                cup = int(np.flatnonzero(path.place.numpy()[then[-1]] == place)[0])
                age_s = round(2 * float(times[0] - then[-1]) / FPS) / 2
                found.append(Number(age_s, int(times[-1]) + 1, float(shown == cups[cup])))
            if shown is not None:
                before = times, shown
        if not found:
            raise MetricUnavailable("no look shows one ball, so that there is none to follow")
        return found


def _ball_place(frames_FHWC: np.ndarray) -> int | None:
    """Return the place that shows the ball; None if none does, or several do."""
    view_HWC = np.median(frames_FHWC, axis=0).astype(np.float32) / 255
    rows = slice(BALL_Y_PX - _REACH_PX, BALL_Y_PX + _REACH_PX + 1)
    shown = [edges(view_HWC[rows, x - _REACH_PX : x + _REACH_PX + 1]) for x in PLACES_PX]
    limit = max(FEWEST_EDGES, _CLEAR_SHARE * max(shown))
    places = [place for place, strength in enumerate(shown) if strength >= limit]
    return places[0] if len(places) == 1 else None
