"""Scripts of six segments for interactive generation, drawn from word lists with a seed.

The field's own set of 160 such scripts can't be released. These are drawn: the subject keeps its
look through all six segments, while action, weather, company and place change one at a time; the
last segment returns to the first place.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backbones.engine.script import Segment
from harness.core.errors import ConfigError

SECONDS = 10.0


@dataclass(frozen=True)
class _Kind:
    """Subjects that can do the same things; `it` is how later sentences call them."""

    subjects: Sequence[str]
    it: str
    actions: Sequence[str]


KINDS = (
    _Kind(
        (
            "an elderly fisherman with a white beard, a yellow raincoat and a grey wool cap",
            "an old baker with round glasses, a striped apron and flour on his sleeves",
            "a bearded hiker in a red jacket with a green backpack and worn leather boots",
            "a street musician with a grey hat, a brown waistcoat and a small accordion",
        ),
        "he",
        (
            "walks slowly towards the camera",
            "sits down and looks around with a faint smile",
            "stops, turns his head and listens",
            "waves at someone out of view",
            "kneels and picks something up from the ground",
            "leans against a wall and warms his hands",
        ),
    ),
    _Kind(
        (
            "a young woman with curly red hair, a green coat and a long blue scarf",
            "a ballet dancer with black hair in a bun, a white dress and silver shoes",
            "a girl of about ten with two braids, a yellow dress and red rubber boots",
            "a botanist with short silver hair, round glasses and a white linen jacket",
        ),
        "she",
        (
            "walks past the camera and looks back over her shoulder",
            "spins around once and laughs",
            "sits down and writes in a small notebook",
            "raises both arms and looks up at the sky",
            "stops and looks straight into the camera",
            "runs a few steps and slows down again",
        ),
    ),
    _Kind(
        (
            "a small white dog with a brown patch over one eye and a red collar",
            "a ginger cat with a white chest, white paws and a short tail",
            "a red fox with dark legs and a bushy tail with a white tip",
            "a young elephant with a dusty back and a pink spot on its trunk",
            "a brown horse with a white stripe on its face and a black tail",
        ),
        "it",
        (
            "trots across the frame from left to right",
            "sits down and tilts its head",
            "sniffs the ground and moves on",
            "shakes itself and looks at the camera",
            "lies down and watches what happens",
            "turns in a circle and stops",
        ),
    ),
    _Kind(
        (
            "a rusty robot with one round blue eye, thin arms and a dented square body",
            "a tall copper robot with a glass head and a moss-covered left shoulder",
            "a little paper boat on wheels, folded from a yellow newspaper",
        ),
        "it",
        (
            "rolls forward and halts with a jerk",
            "turns slowly on the spot",
            "bends down as if to look closer",
            "moves backwards and then to the left",
            "stands still while its shadow gets longer",
            "shivers and starts to move again",
        ),
    ),
)
PLACES = (
    ("in a narrow cobbled street between old stone houses", "in a cobbled street"),
    ("on a wooden pier that leads far out into a calm lake", "on a pier in a lake"),
    ("in a wide wheat field with a single oak tree", "in a wheat field"),
    ("in a greenhouse full of ferns and hanging lamps", "in a greenhouse"),
    ("on a snowy mountain pass with a small stone hut", "on a snowy mountain pass"),
    ("in a busy market hall with stalls of fruit and flowers", "in a market hall"),
    ("on a long sandy beach below white cliffs", "on a beach below cliffs"),
    ("in an abandoned railway station with a broken glass roof", "in an old railway station"),
    ("in a beech forest with a shallow stream", "in a forest with a stream"),
    ("on a flat roof above a city of brick chimneys", "on a roof above a city"),
)
LIGHTS = (
    "in soft morning light",
    "under a clear midday sky",
    "in warm evening light",
    "under an even grey sky",
)
_CHANGES = (
    ("heavy rain begins to fall and puddles form on the ground", "in heavy rain"),
    ("thick fog moves in until the background is hardly visible", "in thick fog"),
    ("large snowflakes begin to fall and cover everything", "in falling snow"),
    ("night falls and warm lamps are switched on one by one", "at night with lamps"),
    ("a strong wind rises and leaves whirl through the air", "in a strong wind"),
)
_COMPANY = (
    ("a child with a red balloon comes into view and stops beside them", "with a child"),
    ("a flock of white doves lands all around and takes off again", "with white doves"),
    ("a man on a bicycle with a basket of oranges rides past", "with a cyclist"),
    ("a black cat with green eyes jumps down and follows", "with a black cat"),
    ("an old blue delivery van arrives and parks in the background", "with a blue van"),
)
_CAMERAS = (
    "The camera is still, at eye level.",
    "The camera follows at a short distance.",
    "The camera moves slowly closer.",
    "A wide shot with much of the surroundings.",
)


def make_interactive(num: int, seed: int) -> list[tuple[Segment, ...]]:
    """Draw scripts of six segments of 10 s; a shorter set is the beginning of a longer one.

    Segments: a subject in a place; another action there; a change of weather or light; company
    joins; another place; the first place again, as it was.

    Args:
        num: number of scripts.
        seed: the same arguments give the same scripts on every machine.

    Raises:
        ConfigError: `num` is below 1.
    """
    return draw_scripts(num, f"interactive {seed}", lambda rng, _: _script(rng))


def draw_scripts(
    num: int, key: str, script: Callable[[random.Random, int], tuple[Segment, ...]]
) -> list[tuple[Segment, ...]]:
    """Draw scripts, each from its number and a generator that depends on number and key alone.

    Raises:
        ConfigError: `num` is below 1.
    """
    if num < 1:
        raise ConfigError(f"Cannot draw {num} scripts; expected 1 or more.")
    # A string seed is hashed with SHA-512, independent of the process.
    return [script(random.Random(f"{key} {number}"), number) for number in range(num)]


def name_of(subject: str) -> str:
    """Return a subject without its looks: "a small white dog" of the one with a red collar."""
    return subject.partition(" with ")[0].partition(" in ")[0].partition(" on ")[0]


def _script(rng: random.Random) -> tuple[Segment, ...]:
    kind = rng.choice(KINDS)
    subject = rng.choice(kind.subjects)
    actions = rng.sample(kind.actions, 6)
    (home, short_home), (away, short_away) = rng.sample(PLACES, 2)
    light, camera = rng.choice(LIGHTS), rng.choice(_CAMERAS)
    (change, short_change), (company, short_company) = rng.choice(_CHANGES), rng.choice(_COMPANY)
    name = name_of(subject)
    pronoun = kind.it.capitalize()

    def told(place: str, action: str, extra: str = "") -> str:
        more = f" As {kind.it} does so, {extra}." if extra else ""
        scene = f"{subject[0].upper()}{subject[1:]}, {place}, {light}."
        return f"{scene} {pronoun} {action}.{more} {camera}"

    return tuple(
        Segment(SECONDS, prompt, evaluated)
        for prompt, evaluated in (
            (told(home, actions[0]), f"{name} {short_home}"),
            (told(home, actions[1]), f"{name} {_shortened(actions[1])} {short_home}"),
            (told(home, actions[2], change), f"{name} {short_home} {short_change}"),
            (told(home, actions[3], company), f"{name} {short_home} {short_company}"),
            (told(away, actions[4]), f"{name} {short_away}"),
            (told(home, actions[5]), f"{name} {short_home}"),
        )
    )


def _shortened(action: str) -> str:
    return action.partition(" and ")[0].partition(",")[0]
