"""Prompt sets: ordered, versioned lists of prompts from files or generators."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import LongtakeError
from harness.core.registry import Registry

GENERATORS = Registry(
    "prompt source",
    {"tiny": "backbones.world.prompts:make_prompts"},
    group="longtake.prompts",
)
_SHIPPED = Path(__file__).parent


@dataclass(frozen=True)
class Prompt:
    """One prompt.

    Attributes:
        id: unique within its set.
        text: what the backbone is given.
        evaluation_text: what metrics compare the video with.
    """

    id: str
    text: str
    evaluation_text: str


@dataclass(frozen=True)
class PromptSet:
    """Prompts in order, with a hash over all of them."""

    name: str
    prompts: tuple[Prompt, ...]
    sha256: str


@dataclass
class PromptSettings:
    """Which prompts.

    Args:
        source: a shipped set, a generator, or the path of a .txt (one prompt a line) or .jsonl file
            (objects with id, prompt and, if it differs, evaluation_prompt).
        evaluation: path of a .txt file with the evaluation prompt of each line of a .txt source.
        num: the first so many; a generator makes so many.
        seed: seed of a generator.
    """

    source: str = ""
    evaluation: str | None = None
    num: int | None = None
    seed: int = 0


def shipped_sets() -> list[str]:
    """Names of the prompt sets that ship as files."""
    return sorted(_shipped_files())


def load_prompts(name: str, settings: PromptSettings) -> PromptSet:
    """The prompt set that `settings` describe.

    Raises:
        LongtakeError: no such source, an empty or malformed file, evaluation prompts that don't
            belong to it, or doubled ids.
    """
    source = settings.source
    if settings.num is not None and settings.num < 1:
        raise LongtakeError(f"prompts.num must be at least 1, got {settings.num}.")
    if source in shipped_sets():
        prompts = _read(_shipped_files()[source])
    elif source.endswith((".txt", ".jsonl")):
        prompts = _read(Path(source))
    elif source in GENERATORS.names():
        texts = GENERATORS.load(source)(settings.num or 16, settings.seed)
        prompts = [_from_text(str(text), number) for number, text in enumerate(texts, start=1)]
    else:
        known = [*shipped_sets(), *GENERATORS.names()]
        raise LongtakeError(
            f"prompts.source={source!r} is neither a shipped set or generator ({', '.join(known)}) "
            "nor a .txt or .jsonl file."
        )
    if settings.evaluation is not None:
        prompts = _with_evaluation(prompts, source, Path(settings.evaluation))
    if settings.num is not None and settings.num > len(prompts):
        raise LongtakeError(
            f"prompts.num={settings.num}, but {name} has only {len(prompts)} prompts."
        )
    chosen = tuple(prompts[: settings.num])
    if len({prompt.id for prompt in chosen}) < len(chosen):
        raise LongtakeError(f"Prompt set {name}: two prompts have the same id.")
    listing = json.dumps([[prompt.text, prompt.evaluation_text] for prompt in chosen])
    return PromptSet(name, chosen, hashlib.sha256(listing.encode()).hexdigest())


def _shipped_files() -> dict[str, Path]:
    files = (path for suffix in ("txt", "jsonl") for path in _SHIPPED.glob(f"*.{suffix}"))
    return {path.stem: path for path in files}


def _with_evaluation(prompts: list[Prompt], source: str, path: Path) -> list[Prompt]:
    """Two files side by side, as MovieGenVideoBench comes: line by line, the lines must pair."""
    if not source.endswith(".txt"):
        raise LongtakeError(
            "prompts.evaluation goes with a .txt file of prompts; a .jsonl file names its own "
            "evaluation_prompt."
        )
    texts = [line.strip() for line, _ in _lines(path)]
    if len(texts) != len(prompts):
        raise LongtakeError(
            f"{str(path)!r} has {len(texts)} evaluation prompts for the {len(prompts)} prompts of "
            f"{source!r}."
        )
    pairs = zip(prompts, texts, strict=True)
    return [Prompt(prompt.id, prompt.text, text) for prompt, text in pairs]


def _lines(path: Path) -> list[tuple[str, int]]:
    """Lines that are not empty, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # not at U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise LongtakeError(f"Prompt file {str(path)!r} can't be read: {error}") from error
    return [(line, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _read(path: Path) -> list[Prompt]:
    numbered = _lines(path)
    if path.suffix == ".jsonl":
        prompts = [_from_json(line, number, path) for line, number in numbered]
    else:
        prompts = [_from_text(line, number) for line, number in numbered]
    if not prompts:
        raise LongtakeError(f"Prompt file {str(path)!r} holds no prompts.")
    return prompts


def _from_text(line: str, number: int) -> Prompt:
    return Prompt(f"{number:04d}", line.strip(), line.strip())


def _from_json(line: str, number: int, path: Path) -> Prompt:
    try:
        fields: dict[str, Any] = json.loads(line)
        text = str(fields["prompt"]).strip()
        if not text:
            raise ValueError("the prompt is empty")
        return Prompt(str(fields["id"]), text, str(fields.get("evaluation_prompt") or text))
    except (ValueError, KeyError, TypeError) as error:
        raise LongtakeError(
            f"{path}, line {number}: expected an object with id and prompt ({error})."
        ) from error
