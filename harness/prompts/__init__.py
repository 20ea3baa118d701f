"""Prompt sets: ordered, versioned lists of prompts from files or generators."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import LongtakeError
from harness.registry import Registry

GENERATORS = Registry(
    "prompt source",
    {"tiny": "backbones.tiny.prompts:make_prompts"},
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
        num: the first so many; a generator makes so many.
        seed: seed of a generator.
    """

    source: str = ""
    num: int | None = None
    seed: int = 0


def shipped_sets() -> list[str]:
    """Names of the prompt sets that ship as files."""
    return sorted(path.stem for path in _SHIPPED.glob("*.txt"))


def load_prompts(name: str, settings: PromptSettings) -> PromptSet:
    """The prompt set that `settings` describe.

    Raises:
        LongtakeError: no such source, an empty or malformed file, or doubled ids.
    """
    source = settings.source
    if settings.num is not None and settings.num < 1:
        raise LongtakeError(f"prompts.num must be at least 1, got {settings.num}.")
    if source in shipped_sets():
        prompts = _read(_SHIPPED / f"{source}.txt")
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
    if settings.num is not None and settings.num > len(prompts):
        raise LongtakeError(
            f"prompts.num={settings.num}, but {name} has only {len(prompts)} prompts."
        )
    chosen = tuple(prompts[: settings.num])
    if len({prompt.id for prompt in chosen}) < len(chosen):
        raise LongtakeError(f"Prompt set {name}: two prompts have the same id.")
    listing = json.dumps([[prompt.text, prompt.evaluation_text] for prompt in chosen])
    return PromptSet(name, chosen, hashlib.sha256(listing.encode()).hexdigest())


def _read(path: Path) -> list[Prompt]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LongtakeError(f"Prompt file {str(path)!r} can't be read: {error}") from error
    numbered = [(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
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
        text = fields["prompt"]
        return Prompt(str(fields["id"]), str(text), str(fields.get("evaluation_prompt") or text))
    except (ValueError, KeyError, TypeError) as error:
        raise LongtakeError(
            f"{path}, line {number}: expected an object with id and prompt ({error})."
        ) from error
