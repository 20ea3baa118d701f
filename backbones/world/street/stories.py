"""Prompt sets of the visitor and of the cups: scripts of 30 s."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

from backbones.engine.script import Segment
from backbones.world.looks import LANDS, SKIES
from backbones.world.street.cups import PLACES_PX, SWAPS
from backbones.world.street.draw import draw_absences, game_round
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.script import BLOCK_S
from harness.core.errors import ConfigError

_BLOCKS = 40  # 30 s
_SWAPS_OF_ROUNDS = (2, 4)
_LOOKS = ("staying", "another", "first", "showing")


def make_visits(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw `num` scripts in which a visitor leaves and the same, another or the first one comes.

    In the first 30 s each of the three happens, the first one after another one. The same
    arguments give the same scripts on every machine, and a shorter set is the beginning of a longer
    one of the same seed.

    Raises:
        ConfigError: `num` is below 1.
    """
    return _draw(num, f"street visits {seed}", Scene.visitor, _visits)


def make_games(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw `num` games of cups in rounds, each of which moves the ball, wherever it is.

    So a copy of the last view of the ball is never right; by chance one look in three is. The same
    arguments give the same scripts on every machine, and a shorter set is the beginning of a longer
    one of the same seed.

    Raises:
        ConfigError: `num` is below 1.
    """
    return _draw(num, f"street games {seed}", Scene.cups, _games)


def moves_all(swaps: Sequence[str]) -> bool:
    """Return whether no place holds the same cup before and after these exchanges."""
    cup_at = list(range(len(PLACES_PX)))
    for swap in swaps:
        left, right = SWAPS[swap]
        cup_at[left], cup_at[right] = cup_at[right], cup_at[left]
    return all(cup != place for place, cup in enumerate(cup_at))


def _draw(
    num: int, key: str, scene: Scene, draw: Callable[[random.Random], list[tuple[str, int]]]
) -> list[tuple[Segment, ...]]:
    if num < 1:
        raise ConfigError(f"Cannot draw {num} scripts: expected at least 1.")
    rng = random.Random(key)
    scripts = []
    for _ in range(num):
        sky, land = rng.choice(SKIES), rng.choice(LANDS)
        scripts.append(
            tuple(
                Segment(blocks * BLOCK_S, str(StreetPrompt(sky, land, scene, motion)))
                for motion, blocks in draw(rng)
            )
        )
    return scripts


def _visits(rng: random.Random) -> list[tuple[str, int]]:
    while True:
        motions = _whole_rounds(draw_absences(rng))
        comes = [motion for motion, _ in motions[2::2]]
        if "staying" in comes and "another" in comes and "first" in comes[comes.index("another") :]:
            return motions


def _games(rng: random.Random) -> list[tuple[str, int]]:
    return _whole_rounds(_rounds(rng))


def _rounds(rng: random.Random) -> Iterator[tuple[str, int]]:
    yield "showing", 2
    while True:
        num = rng.choice(_SWAPS_OF_ROUNDS)
        yield from game_round(
            rng.choice([swaps for swaps in product(SWAPS, repeat=num) if moves_all(swaps)]), rng
        )


def _whole_rounds(motions: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return motions up to the last look within 30 s, which lasts as long as the video does."""
    taken: list[tuple[str, int]] = []
    whole: list[tuple[str, int]] = []
    left = _BLOCKS
    for motion, blocks in motions:
        left -= blocks
        if left < 0:
            break
        taken.append((motion, blocks))
        if motion in _LOOKS:
            whole = list(taken)
    return whole
