"""Prompts of the street: four words that determine everything except the looks of the figures.

    sky  land   count motion
    noon grassy four  walking

A street is a closed loop, so `count` also determines the length of a lap. A token id is an index
into `VOCABULARY`, whose order is that of the trained word embeddings.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, fields
from typing import Self

from backbones.world.grammar import LANDS, SKIES
from harness.core.errors import ConfigError, nearest

COUNTS = {"three": 3, "four": 4, "five": 5, "six": 6}
# Horizontal speed of the camera, px per video frame. All speeds divide the distance between two
# figures, so that every lap passes the same poses.
SPEED_PX = {"walking": 2, "strolling": 1, "standing": 0, "returning": -2, "gazing": 0}
MOTIONS = tuple(SPEED_PX)

SLOTS = {"sky": SKIES, "land": LANDS, "count": tuple(COUNTS), "motion": MOTIONS}
VOCABULARY = tuple(word for words in SLOTS.values() for word in words)
EXAMPLE = "noon grassy four walking"


@dataclass(frozen=True)
class StreetPrompt:
    """One prompt; every instance is valid.

    Attributes:
        sky: sky and light.
        land: ground.
        count: number of figures of the street, as a word.
        motion: motion of the camera; "gazing" looks up at the sky until the next motion.

    Raises:
        ConfigError: a word does not fit its slot.
    """

    sky: str
    land: str
    count: str
    motion: str

    def __post_init__(self) -> None:
        for slot, word in zip(SLOTS, self.words(), strict=True):
            if word not in SLOTS[slot]:
                raise _misfit(slot, word)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a prompt; words are separated by any white space.

        Raises:
            ConfigError: a wrong number of words, or the first word that does not fit its slot.
        """
        words = text.split()
        if len(words) != len(SLOTS):
            raise ConfigError(
                f"A prompt of the street has {len(SLOTS)} words ({', '.join(SLOTS)}), for example "
                f"{EXAMPLE!r}; got {len(words)}: {reprlib.repr(text)}."
            )
        return cls(*words)

    @property
    def num_figures(self) -> int:
        """Number of figures of the street."""
        return COUNTS[self.count]

    def words(self) -> tuple[str, ...]:
        """Return the four words in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def token_ids(self) -> tuple[int, ...]:
        """Return the place of each word in `VOCABULARY`."""
        return tuple(VOCABULARY.index(word) for word in self.words())

    def __str__(self) -> str:
        return " ".join(self.words())


def _misfit(slot: str, word: str) -> ConfigError:
    choices = SLOTS[slot]
    close = nearest(word, choices)
    hint = f" Did you mean {close!r}?" if close else ""
    return ConfigError(
        f"{reprlib.repr(word)} does not fit slot {tuple(SLOTS).index(slot) + 1} ({slot}) of a "
        f"prompt of the street.{hint} Expected one of: {', '.join(choices)}; for example "
        f"{EXAMPLE!r}."
    )
