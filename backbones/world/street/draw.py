"""Random scripts: the videos that models of the street are trained on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from backbones.world.looks import LANDS, SKIES
from backbones.world.street.cups import SWAPS
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.script import Script, Shot
from backbones.world.street.visitor import MOST_VISITORS

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
_AWAY_BLOCKS = (4, 12)  # of an absence, the way out included; a window sees 8 latents of the past
_SWAPS = (1, 5)  # of a round


def draw_script(num_blocks: int, seed: int | str, scene: Scene = Scene.street) -> Script:
    """Draw a script: a walk, straight on or with several motions and skies, or another scene.

    The same arguments give the same script on every machine.
    """
    if scene is Scene.street:
        return _draw_walk(num_blocks, seed)
    rng = random.Random(f"{scene} script {seed}")
    motions = draw_absences(rng) if scene is Scene.visitor else draw_games(rng)
    return scripted(rng.choice(SKIES), rng.choice(LANDS), scene, motions, num_blocks)


def scripted(
    sky: str, land: str, cast: str, motions: Iterable[tuple[str, int]], num_blocks: int
) -> Script:
    """Return a script of one sky, as long as `num_blocks`: the last motion is cut."""
    shots, left = [], num_blocks
    for motion, length in motions:
        shots.append(Shot(StreetPrompt(sky, land, cast, motion), min(left, length)))
        left -= length
        if left <= 0:
            break
    return Script(tuple(shots))


def draw_absences(rng: random.Random) -> Iterator[tuple[str, int]]:
    """Draw without end what a visitor does, and for how many blocks: away, and there again."""
    num_visitors = 1
    yield "staying", rng.randint(2, 4)
    while True:
        yield "away", rng.randint(*_AWAY_BLOCKS)
        others = {"staying": 5, "another": 4, "first": 2}
        if num_visitors == MOST_VISITORS:
            del others["another"]
        comes = rng.choices(list(others), list(others.values()))[0]
        num_visitors += comes == "another"
        yield comes, rng.randint(3, 4)


def draw_games(rng: random.Random) -> Iterator[tuple[str, int]]:
    """Draw without end what the cups do, and for how many blocks: each round ends with a look."""
    yield "showing", rng.randint(1, 2)
    while True:
        swaps = rng.choices(list(SWAPS), k=rng.randint(*_SWAPS))
        yield from game_round(swaps, rng)


def game_round(swaps: Iterable[str], rng: random.Random) -> Iterator[tuple[str, int]]:
    """Yield a round of the cups: they cover the ball, change places, and are lifted again."""
    yield "resting", rng.randint(1, 2)
    for swap in swaps:
        yield swap, 1
    yield "resting", rng.randint(1, 3)
    yield "showing", rng.randint(1, 2)


def _draw_walk(num_blocks: int, seed: int | str) -> Script:
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
