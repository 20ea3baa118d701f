"""Prompt sets of the tiny world: distinct sentences that use every word about equally often."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from itertools import product

from backbones.world.grammar import SECOND_COLORS, SLOTS, ScenePrompt
from harness.core.errors import ConfigError

# Draws at one level of imbalance before slightly more frequent words are allowed.
_DRAWS_PER_LEVEL = 8


def grammar_size() -> int:
    """Return the number of different prompts of the grammar."""
    sentences = math.prod(len(words) for words in SLOTS.values())
    equal_colors = sentences // len(SECOND_COLORS)
    return sentences - equal_colors


def make_prompts(num: int, seed: int) -> list[ScenePrompt]:
    """Draw `num` different prompts, the words of each slot about equally frequent.

    The same arguments give the same prompts on every machine. Up to half the grammar, a shorter
    set is the beginning of a longer one of the same seed.

    Raises:
        ConfigError: `num` is not within 1 and the size of the grammar.
    """
    size = grammar_size()
    if not 1 <= num <= size:
        raise ConfigError(
            f"Cannot draw {num} different prompts: the grammar of the tiny world has {size}, "
            f"expected a number from 1 to {size}."
        )
    # A string seed is hashed with SHA-512: independent of the process, and -1 differs from 1.
    rng = random.Random(f"tiny prompts {seed}")
    if num <= size // 2:
        return [ScenePrompt(*words) for words in _draw_balanced(num, rng)]
    # Drawing more than half would mostly meet used sentences, so draw the ones to leave out.
    # The whole grammar without a balanced part is balanced, too.
    left_out = set(_draw_balanced(size - num, rng))
    rest = [words for words in _all_words() if words not in left_out]
    rng.shuffle(rest)
    return [ScenePrompt(*words) for words in rest]


def _all_words() -> Iterator[tuple[str, ...]]:
    return (words for words in product(*SLOTS.values()) if not _equal_colors(words))


def _equal_colors(words: tuple[str, ...]) -> bool:
    color, second_color = words[2:4]
    return second_color == f"{color}ish"


def _draw_balanced(num: int, rng: random.Random) -> Iterable[tuple[str, ...]]:
    """Draw sentences one by one from the least used words of every slot.

    A sentence that was drawn before is rejected; after some rejections, words used once more than
    the least used ones are allowed as well, and so on.
    """
    uses = {slot: dict.fromkeys(words, 0) for slot, words in SLOTS.items()}
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < num:
        draws = 0
        while (words := _draw_once(uses, draws // _DRAWS_PER_LEVEL, rng)) in drawn:
            draws += 1
        drawn[words] = None
        for slot, word in zip(SLOTS, words, strict=True):
            uses[slot][word] += 1
    return drawn


def _draw_once(uses: dict[str, dict[str, int]], slack: int, rng: random.Random) -> tuple[str, ...]:
    words: list[str] = []
    for slot, counts in uses.items():
        excluded = f"{words[2]}ish" if slot == "second_color" else None
        allowed = {word: count for word, count in counts.items() if word != excluded}
        limit = min(allowed.values()) + slack
        words.append(rng.choice([word for word, count in allowed.items() if count <= limit]))
    return tuple(words)
