"""Scripts that leave a view and come back to it, drawn from word lists with a seed.

What must be remembered is described once, in the first segment. The segment that returns names the
subject and the place again but none of their looks, so no look can be taken from its prompt.
"""

from __future__ import annotations

import random

from backbones.engine.script import Segment
from harness.config.prompts.interactive import KINDS, LIGHTS, PLACES, draw_scripts, name_of

VIEW_S = 10.0
ABSENCES_S = (10.0, 20.0)
"""Seconds without the view, in turn."""
_BEHIND = (
    "an empty gravel path leads away between low bushes",
    "a weathered brick wall with ivy fills the frame",
    "a wide, empty meadow stretches to far blue hills",
    "a row of bare poplars stands along a ditch",
    "a closed wooden gate hangs between two stone posts",
)


def make_returns(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw scripts of a view, something else, and the view again.

    In one script the camera turns round to what lies behind it, in the next one it walks on to
    another place; after two scripts each the absence changes. A shorter set is the beginning of a
    longer one.

    Args:
        num: number of scripts.
        seed: the same arguments give the same scripts on every machine.

    Raises:
        ConfigError: `num` is below 1.
    """
    return draw_scripts(num, f"returns {seed}", _script)


def _script(rng: random.Random, number: int) -> tuple[Segment, ...]:
    kind = rng.choice(KINDS)
    subject = rng.choice(kind.subjects)
    (home, short_home), (away, short_away) = rng.sample(PLACES, 2)
    light, behind = rng.choice(LIGHTS), rng.choice(_BEHIND)
    name = name_of(subject)
    known = f"the {name.split(' ', 1)[1]}"
    first = (
        f"{subject[0].upper()}{subject[1:]}, {home}, {light}. {kind.it.capitalize()} stays in one "
        "place and looks around. The camera is still, at eye level."
    )
    if number % 2:
        between = (
            f"The camera leaves {known} and moves on to another place. Now it is {away}, {light}, "
            "with no one in view."
        )
        short_between = f"an empty place {short_away}"
    else:
        between = (
            f"The camera turns away from {known}, round by half a circle. Behind it, {behind}, "
            f"{light}, with no one in view."
        )
        short_between = behind
    again = (
        f"The camera comes back to {known}, {short_home}. Everything is as it was before. "
        "The camera is still, at eye level."
    )
    absence_s = ABSENCES_S[number // 2 % len(ABSENCES_S)]
    return (
        Segment(VIEW_S, first, f"{name} {short_home}"),
        Segment(absence_s, between, short_between),
        Segment(VIEW_S, again, f"{name} {short_home}"),
    )
