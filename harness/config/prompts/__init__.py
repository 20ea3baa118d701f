"""Prompt sets: ordered, versioned lists of prompts from files or generators."""

from __future__ import annotations

import codecs
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backbones.engine.script import Segment, given_sha256
from harness.config.prompts.segments import read_segments
from harness.core.errors import ConfigError, LongtakeError, StoreError
from harness.core.registry import Registry
from harness.core.untyped import json_object

GENERATORS = Registry(
    "prompt source",
    {
        "street": "backbones.world.street.walks:make_walks",
        "interactive": "harness.config.prompts.interactive:make_interactive",
        "returns": "harness.config.prompts.returns:make_returns",
        "street_turns": "backbones.world.street.walks:make_turns",
        "street_skies": "backbones.world.street.walks:make_skies",
        "street_visitor": "backbones.world.street.stories:make_visits",
        "street_cups": "backbones.world.street.stories:make_games",
    },
    group="longtake.prompts",
)
_SHIPPED = Path(__file__).parent
_GENERATED = 16  # prompts of a generator when num is not given


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    Attributes:
        id: unique within its set.
        text: prompt of the backbone.
        evaluation_text: text that metrics compare the video with.
        segments: two or more where the prompt changes; the texts above are then those of the first.
        place: its file and line, or its number in a set, for messages.
    """

    id: str
    text: str
    evaluation_text: str
    segments: tuple[Segment, ...] = ()
    place: str = field(default="", compare=False)

    @classmethod
    def of_segments(cls, id_: str, segments: tuple[Segment, ...], place: str = "") -> Prompt:
        """Return the prompt of a script; that of a single segment is an ordinary one."""
        first = segments[0]
        script = segments if len(segments) > 1 else ()
        return cls(id_, first.prompt, first.evaluation_text, script, place)

    def listing(self) -> list[Any]:
        """Return all its texts, and times if the prompt changes."""
        segments = [
            [
                float(s.seconds),
                s.prompt,
                s.evaluation_text,
                *([given_sha256(s.given)] if s.given else []),
            ]
            for s in self.segments
        ]
        return [self.text, self.evaluation_text, *([segments] if segments else [])]


@dataclass(frozen=True)
class PromptSet:
    """Prompts in order, with a hash of all their texts."""

    name: str
    prompts: tuple[Prompt, ...]
    sha256: str


@dataclass
class PromptSettings:
    """The keys of `prompts.`: a source of prompts, and how many to take from it.

    Args:
        source: a shipped set, a generator, or the path of a .txt file (one prompt per line) or
            .jsonl file (objects with id, prompt and, if it differs, evaluation_prompt, or with id
            and segments).
        evaluation: path of a .txt file with the evaluation prompt of each line of a .txt source.
        num: number of prompts to take from the start, or to generate; None for all, or 16.
        seed: seed of a generator.
    """

    source: str = ""
    evaluation: str | None = None
    num: int | None = None
    seed: int = 0


def shipped_sets() -> list[str]:
    """Return the names of the prompt sets that are shipped as files."""
    return sorted(_shipped_files())


def load_prompts(name: str, settings: PromptSettings) -> PromptSet:
    """Read or generate the prompt set that `settings` describe.

    Args:
        name: name of the set, which reports show.
        settings: source and number of the prompts.

    Raises:
        ConfigError: no such source, an empty or malformed file, evaluation prompts that don't match
            it line by line, or two prompts with the same id.
    """
    source = settings.source
    if settings.num is not None and settings.num < 1:
        raise ConfigError(f"prompts.num must be at least 1, got {settings.num}.")
    if source in shipped_sets():
        prompts = _read(_shipped_files()[source], source)
    elif source.endswith((".txt", ".jsonl")):
        prompts = _read(Path(source), source)
    elif source in GENERATORS.names():
        items = GENERATORS.load(source)(settings.num or _GENERATED, settings.seed)
        prompts = [_generated(item, number, source) for number, item in enumerate(items, start=1)]
    else:
        GENERATORS.refuse_ambiguous(source)
        known = [*shipped_sets(), *GENERATORS.names()]
        raise ConfigError(
            f"prompts.source={source!r} is neither a shipped set or generator ({', '.join(known)}) "
            "nor a .txt or .jsonl file."
        )
    if settings.evaluation is not None:
        prompts = _with_evaluation(prompts, source, Path(settings.evaluation))
    if settings.num is not None and settings.num > len(prompts):
        raise ConfigError(
            f"prompts.num={settings.num}, but {name} has only {len(prompts)} prompts."
        )
    chosen = tuple(prompts[: settings.num])
    if len({prompt.id for prompt in chosen}) < len(chosen):
        raise ConfigError(f"Prompt set {name}: two prompts have the same id.")
    listing = json.dumps([prompt.listing() for prompt in chosen])
    return PromptSet(name, chosen, hashlib.sha256(listing.encode()).hexdigest())


def _shipped_files() -> dict[str, Path]:
    files = (path for suffix in ("txt", "jsonl") for path in _SHIPPED.glob(f"*.{suffix}"))
    return {path.stem: path for path in files}


def _with_evaluation(prompts: list[Prompt], source: str, path: Path) -> list[Prompt]:
    """Pair prompts with evaluation prompts line by line, as MovieGenVideoBench is distributed."""
    if not source.endswith(".txt"):
        raise ConfigError(
            "prompts.evaluation goes with a .txt file of prompts; in a .jsonl file set "
            "evaluation_prompt in each line."
        )
    texts = [line.strip() for line, _ in numbered_lines(path, "Prompt file")]
    if len(texts) != len(prompts):
        raise ConfigError(
            f"{str(path)!r} has {len(texts)} evaluation prompts for the {len(prompts)} prompts of "
            f"{source!r}."
        )
    pairs = zip(prompts, texts, strict=True)
    return [replace(prompt, evaluation_text=text) for prompt, text in pairs]


def numbered_lines(path: Path, kind: str) -> list[tuple[str, int]]:
    """Read the lines of a text file that are not empty, with their numbers from 1.

    Args:
        path: a UTF-8 file, with or without byte order mark.
        kind: its name in the error message.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        # Not splitlines(), which also splits at U+2028 and other characters that texts may contain.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        marked = path.read_bytes()[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        raise ConfigError(
            f"{kind} {str(path)!r} is {'UTF-16' if marked else 'not UTF-8'}; save it as UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(f"{kind} {str(path)!r} can't be read: {error}") from error
    return [(line, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _read(path: Path, name: str) -> list[Prompt]:
    numbered = numbered_lines(path, "Prompt file")
    if path.suffix == ".jsonl":
        prompts = [_from_json(line, f"{name}, line {number}") for line, number in numbered]
    else:
        prompts = [_from_text(line, number, f"{name}, line {number}") for line, number in numbered]
    if not prompts:
        raise ConfigError(f"Prompt file {str(path)!r} holds no prompts.")
    return prompts


def _from_text(line: str, number: int, place: str) -> Prompt:
    return Prompt(f"{number:04d}", line.strip(), line.strip(), place=place)


def _generated(item: Any, number: int, source: str) -> Prompt:
    """Return the prompt of what a generator made: a text, or the segments of a script."""
    place = f"prompt {number} of {source}"
    if isinstance(item, tuple) and item and all(isinstance(part, Segment) for part in item):
        return Prompt.of_segments(f"{number:04d}", item, place)
    return _from_text(str(item), number, place)


def _from_json(line: str, place: str) -> Prompt:
    try:
        fields = json_object(line, place)
        if "segments" in fields:
            return Prompt.of_segments(str(fields["id"]), read_segments(fields, place), place)
        text = str(fields["prompt"]).strip()
        if not text:
            raise ValueError("the prompt is empty")
        evaluated = str(fields.get("evaluation_prompt") or text)
        return Prompt(str(fields["id"]), text, evaluated, place=place)
    except StoreError as error:
        raise ConfigError(f"{error} Expected an object with id and prompt or segments.") from error
    except LongtakeError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{place}: expected an object with id and prompt or segments ({error})."
        ) from error
