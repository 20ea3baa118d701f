"""Prompts of the street: four words that determine everything except the looks of the figures.

    sky  land   cast    motion
    noon grassy four    walking
    noon grassy visitor away
    noon grassy cups    showing

The cast is one of three scenes: a walk past three to six figures, a visitor who leaves and
returns, a game of three cups. A street is a closed loop, so a number also determines the length of
a lap. A token id is an index into `VOCABULARY`, whose order is that of the trained word embeddings:
the words of a later scene come after those of the earlier ones.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import chain
from typing import Self

from backbones.world.looks import LANDS, SKIES
from harness.core.errors import ConfigError, nearest


class Scene(StrEnum):
    """Scenes that a prompt of the street may show, in the order of the vocabulary.

    street: a walk past figures. visitor: a figure that leaves and comes back, or another one does.
    cups: a ball under one of three cups that change places.
    """

    street = "street"
    visitor = "visitor"
    cups = "cups"


COUNTS = {"three": 3, "four": 4, "five": 5, "six": 6}
# Horizontal speed of the camera, px per video frame. All speeds divide the distance between two
# figures, so that every lap passes the same poses.
SPEED_PX = {"walking": 2, "strolling": 1, "standing": 0, "returning": -2, "gazing": 0}

_CASTS = {Scene.street: tuple(COUNTS), Scene.visitor: ("visitor",), Scene.cups: ("cups",)}
MOTIONS = {
    Scene.street: tuple(SPEED_PX),
    Scene.visitor: ("staying", "away", "another", "first"),
    Scene.cups: ("showing", "resting", "swapleft", "swapright", "swapouter"),
}
SLOTS = ("sky", "land", "cast", "motion")
_OF_SCENES = ((*_CASTS[scene], *MOTIONS[scene]) for scene in Scene)
VOCABULARY = (*SKIES, *LANDS, *chain.from_iterable(_OF_SCENES))
_EXAMPLES = {
    Scene.street: "noon grassy four walking",
    Scene.visitor: "noon grassy visitor staying",
    Scene.cups: "noon grassy cups showing",
}


@dataclass(frozen=True)
class StreetPrompt:
    """One prompt; every instance is valid.

    Attributes:
        sky: sky and light.
        land: ground.
        cast: number of figures of a street, as a word, or another scene.
        motion: on a street that of the camera ("gazing" looks up at the sky until the next motion),
            else what the visitor or the cups do.

    Raises:
        ConfigError: a word does not fit its slot.
    """

    sky: str
    land: str
    cast: str
    motion: str

    def __post_init__(self) -> None:
        for slot in SLOTS:
            choices = self._choices(slot)
            if getattr(self, slot) not in choices:
                raise _misfit(slot, getattr(self, slot), choices)

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
                f"{_EXAMPLES[Scene.street]!r}; got {len(words)}: {reprlib.repr(text)}. "
                "Ready-made sets are prompts=street and others of python -m harness list prompts."
            )
        return cls(*words)

    @property
    def scene(self) -> Scene:
        """The scene that the cast belongs to."""
        return next(scene for scene, words in _CASTS.items() if self.cast in words)

    @property
    def num_figures(self) -> int:
        """Number of figures of a walk."""
        return COUNTS[self.cast]

    def words(self) -> tuple[str, ...]:
        """Return the four words in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def token_ids(self) -> tuple[int, ...]:
        """Return the place of each word in `VOCABULARY`."""
        return tuple(VOCABULARY.index(word) for word in self.words())

    def __str__(self) -> str:
        return " ".join(self.words())

    def _choices(self, slot: str) -> Sequence[str]:
        """Return the words of a slot; those of the last one depend on the cast."""
        if slot == "motion":
            return MOTIONS[self.scene]
        return {"sky": SKIES, "land": LANDS, "cast": tuple(chain(*_CASTS.values()))}[slot]


def num_words(scenes: Sequence[Scene]) -> int:
    """Return how many words of the vocabulary a model of these scenes has: up to the last scene."""
    last = max(scenes, key=list(Scene).index)
    return VOCABULARY.index(MOTIONS[last][-1]) + 1


def _misfit(slot: str, word: str, choices: Sequence[str]) -> ConfigError:
    close = nearest(word, choices)
    hint = f" Did you mean {close!r}?" if close else ""
    scene = next((scene for scene in Scene if choices == MOTIONS[scene]), Scene.street)
    return ConfigError(
        f"{reprlib.repr(word)} does not fit slot {SLOTS.index(slot) + 1} ({slot}) of a "
        f"prompt of the street.{hint} Expected one of: {', '.join(choices)}; for example "
        f"{_EXAMPLES[scene]!r}."
    )
