"""Prompt sets of the street: different walks, in which every figure comes back."""

from __future__ import annotations

import random
from itertools import chain, product

from backbones.world.grammar import LANDS, SKIES
from backbones.world.street.prompt import COUNTS, StreetPrompt
from harness.core.errors import ConfigError


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
