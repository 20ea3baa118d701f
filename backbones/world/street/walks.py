"""Prompt sets of the street: walks past figures that come back, with turns or changing skies."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import chain, cycle, islice, product

from backbones.engine.script import Segment
from backbones.world.looks import LANDS, SKIES
from backbones.world.street.draw import draw_motion
from backbones.world.street.prompt import COUNTS, StreetPrompt
from backbones.world.street.scene import draw_street
from backbones.world.street.script import BLOCK_S, FPS, Script, Shot
from backbones.world.street.truth import Truth
from harness.core.errors import ConfigError

_TURNS_BLOCKS = 40  # 30 s
_FEWEST_RETURNS = 3
_SKY_BLOCKS = 12


def make_walks(num: int, seed: int) -> list[StreetPrompt]:
    """Draw `num` different prompts of a walking camera, with all lengths of a lap in turn.

    The same arguments give the same prompts on every machine, and a shorter set is the beginning of
    a longer one of the same seed.

    Raises:
        ConfigError: `num` is not within 1 and the number of different walks.
    """
    rng = random.Random(f"street walks {seed}")
    scenes = list(product(SKIES, LANDS))
    # Each length of a lap meets the scenes in an order of its own.
    columns = [
        [StreetPrompt(sky, land, count, "walking") for sky, land in rng.sample(scenes, len(scenes))]
        for count in COUNTS
    ]
    walks = list(chain.from_iterable(zip(*columns, strict=True)))
    if not 1 <= num <= len(walks):
        raise ConfigError(
            f"Cannot draw {num} different walks: the street has {len(walks)}, expected a number "
            f"from 1 to {len(walks)}."
        )
    return walks[:num]


def make_skies(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw `num` walks under three skies, 9 s each, no two alike in a row; the last one stays.

    They are the walks of `make_walks`, whose sky is the first one.

    Raises:
        ConfigError: see `make_walks`.
    """
    rng = random.Random(f"street skies {seed}")
    scripts = []
    for walk in make_walks(num, seed):
        skies = [walk.sky]
        for _ in range(2):
            skies.append(rng.choice([sky for sky in SKIES if sky != skies[-1]]))
        prompts = [str(replace(walk, sky=sky)) for sky in skies]
        scripts.append(tuple(Segment(_SKY_BLOCKS * BLOCK_S, prompt) for prompt in prompts))
    return scripts


def make_turns(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw `num` scripts in which the camera walks, strolls, stands, looks up and turns back.

    What returns does so at many ages, so that no fixed distance in time shows it again. The sky
    stays. Laps of all lengths come in turn. In the first 30 s at least three things return; a
    longer video walks on. The same arguments give the same scripts on every machine, and a shorter
    set is the beginning of a longer one of the same seed.

    Raises:
        ConfigError: `num` is below 1.
    """
    if num < 1:
        raise ConfigError(f"Cannot draw {num} walks with turns: expected at least 1.")
    rng = random.Random(f"street turns {seed}")
    return [_turns(rng, count) for count in islice(cycle(COUNTS), num)]


def _turns(rng: random.Random, count: str) -> tuple[Segment, ...]:
    sky, land = rng.choice(SKIES), rng.choice(LANDS)
    while True:
        # It starts with a walk: what returns must have been seen.
        motions = [("walking", rng.randint(4, 14))]
        while sum(length for _, length in motions) < _TURNS_BLOCKS:
            motions.append(draw_motion(rng, motions[-1][0]))
        shots = tuple(Shot(StreetPrompt(sky, land, count, m), length) for m, length in motions)
        script = Script(shots)
        if _num_returns(script) >= _FEWEST_RETURNS:
            break
    *turns, last = shots
    if last.prompt.motion != "walking":
        turns.append(last)
        last = Shot(StreetPrompt(sky, land, count, "walking"), 1)
    return tuple(Segment(shot.num_blocks * BLOCK_S, str(shot.prompt)) for shot in (*turns, last))


def _num_returns(script: Script) -> int:
    """Return how many figures come back in the first 30 s; any street of this size will do."""
    truth = Truth.of(draw_street(script.num_figures, 0), script)
    end_frame = round(_TURNS_BLOCKS * BLOCK_S * FPS)
    return sum(one.return_frame < end_frame for one in truth.returns)
