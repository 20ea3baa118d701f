"""Random scripts: the videos that models of the street are trained on."""

from __future__ import annotations

import random

from backbones.world.grammar import LANDS, SKIES
from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.script import Script, Shot

# Of each motion in a changing script: its weight in the draw, and the blocks of its shortest and
# longest shot.
_MOTIONS = {
    "walking": (9, (4, 14)),
    "strolling": (3, (2, 6)),
    "standing": (2, (1, 4)),
    "returning": (5, (4, 12)),
    "gazing": (2, (3, 6)),
}
# Short laps return more often within a training clip, so they are drawn more often.
_COUNTS = {"three": 7, "four": 6, "five": 4, "six": 3}
_WALKS_ON = 0.4  # share of the scripts that walk all the time
_SKY_CHANGES = 0.1  # chance of another sky at each shot


def draw_script(num_blocks: int, seed: int | str) -> Script:
    """Draw a script: walking all the time, or shots of several motions and skies.

    The same arguments give the same script on every machine.
    """
    rng = random.Random(f"street script {seed}")
    sky, land = rng.choice(SKIES), rng.choice(LANDS)
    count = rng.choices(tuple(_COUNTS), list(_COUNTS.values()))[0]
    if rng.random() < _WALKS_ON:
        return Script((Shot(StreetPrompt(sky, land, count, "walking"), num_blocks),))
    shots: list[Shot] = []
    left, motion = num_blocks, ""
    while left > 0:
        motion, length = draw_motion(rng, motion)
        if rng.random() < _SKY_CHANGES:
            sky = rng.choice(SKIES)
        shots.append(Shot(StreetPrompt(sky, land, count, motion), min(left, length)))
        left -= length
    return Script(tuple(shots))


def draw_motion(rng: random.Random, before: str) -> tuple[str, int]:
    """Draw another motion of the camera than the one before, and for how many blocks."""
    others = [other for other in _MOTIONS if other != before]
    motion = rng.choices(others, [_MOTIONS[other][0] for other in others])[0]
    return motion, rng.randint(*_MOTIONS[motion][1])
