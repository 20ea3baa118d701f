"""The closed grammar of the tiny world: a prompt is seven words, one per slot.

    sky   land   color second-color pattern shape motion
    dusk  grassy blue  yellowish    striped ball  drifting

The transformer was trained on these sentences only, so any other prompt is refused with the nearest
valid word. A token id is an index into `VOCABULARY`, whose order is that of the trained embeddings.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, fields

from harness.core.errors import ConfigError, nearest

SKIES = ("dawn", "noon", "dusk", "night")
LANDS = ("grassy", "sandy", "snowy", "volcanic", "mossy")
COLORS = (
    "red", "orange", "yellow", "lime", "teal", "blue", "violet", "pink", "white", "black",
)  # fmt: skip
SHAPES = ("ball", "box", "kite", "star")
PATTERNS = ("plain", "striped", "halved", "ringed")
MOTIONS = ("drifting", "rushing", "pacing", "hopping")
SECOND_COLORS = tuple(f"{color}ish" for color in COLORS)

PAD = "<pad>"
VOCABULARY = (PAD, *SKIES, *LANDS, *COLORS, *SHAPES, *PATTERNS, *MOTIONS, *SECOND_COLORS)
TOKEN_IDS = {word: index for index, word in enumerate(VOCABULARY)}

SLOTS = {
    "sky": SKIES,
    "land": LANDS,
    "color": COLORS,
    "second_color": SECOND_COLORS,
    "pattern": PATTERNS,
    "shape": SHAPES,
    "motion": MOTIONS,
}
EXAMPLE = "dusk grassy blue yellowish striped ball drifting"


@dataclass(frozen=True)
class ScenePrompt:
    """One sentence of the grammar.

    The fields are the words themselves, in the order of the sentence; `second_color` carries its
    suffix ("yellowish"). Every instance is valid: the constructor checks each word.

    Raises:
        ConfigError: a word does not fit its slot, or both colors are equal.
    """

    sky: str
    land: str
    color: str
    second_color: str
    pattern: str
    shape: str
    motion: str

    def __post_init__(self) -> None:
        for slot, word in zip(SLOTS, self.words(), strict=True):
            _check_word(slot, word)
        if self.second_color == f"{self.color}ish":
            others = [word for word in SECOND_COLORS if word != self.second_color]
            raise ConfigError(
                f"The second color of a prompt must differ from the first ({self.color!r}): the "
                f"backbone never saw equal ones. Slot 4 (second_color) may be one of: "
                f"{', '.join(others)}."
            )

    @classmethod
    def parse(cls, text: str) -> ScenePrompt:
        """Parse a sentence; words are separated by white space.

        Raises:
            ConfigError: an unknown word, a wrong order or number of words, or equal colors. The
                message names the first slot that does not fit, its choices and the nearest one.
        """
        words = text.split()
        for slot, word in zip(SLOTS, words, strict=False):
            _check_word(slot, word)
        if len(words) < len(SLOTS):
            slot = tuple(SLOTS)[len(words)]
            raise ConfigError(
                f"The prompt ends before {_place(slot)}; expected one of: "
                f"{', '.join(SLOTS[slot])}. {_usage()}"
            )
        if len(words) > len(SLOTS):
            raise ConfigError(
                f"The prompt goes on after slot {len(SLOTS)} (motion) with "
                f"{reprlib.repr(words[len(SLOTS)])}. {_usage()}"
            )
        return cls(*words)

    def words(self) -> tuple[str, ...]:
        """Return the seven words in order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def token_ids(self) -> tuple[int, ...]:
        """Return the index of each word in `VOCABULARY`."""
        return tuple(TOKEN_IDS[word] for word in self.words())

    def __str__(self) -> str:
        return " ".join(self.words())


def _check_word(slot: str, word: str) -> None:
    choices = SLOTS[slot]
    if word in choices:
        return
    owner = next((other for other, known in SLOTS.items() if word in known), None)
    close = nearest(word, choices)
    raise ConfigError(
        f"{reprlib.repr(word)} does not fit {_place(slot)}"
        + (f", it belongs into {_place(owner)}." if owner else ".")
        + (f" Did you mean {close!r}?" if close else "")
        + f" Expected one of: {', '.join(choices)}. {_usage()}"
    )


def _place(slot: str) -> str:
    return f"slot {tuple(SLOTS).index(slot) + 1} ({slot})"


def _usage() -> str:
    return f"A prompt of the tiny world is {len(SLOTS)} words, for example {EXAMPLE!r}."
