"""All names that the command line accepts, with a summary of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backbones import BACKBONES
from eval.scoring.suite import METRICS, SUITES
from harness.config.options import CONF, options, shipped
from harness.config.prompts import GENERATORS, PromptSettings, load_prompts, shipped_sets
from harness.core.errors import unknown_name
from harness.core.registry import Registry
from harness.core.schema import build
from methods import METHODS
from methods.encoders import ENCODERS


@dataclass(frozen=True)
class Listed:
    """A name with one line about it.

    Attributes:
        name: name on the command line.
        summary: one line of description.
        origin: distribution that provides it; "you" for files of the user.
    """

    name: str
    summary: str
    origin: str


def catalog(kind: str) -> list[Listed]:
    """Return everything of a kind: backbones, methods, encoders, metrics, suites, ...

    Raises:
        UnknownName: there is no such kind.
    """
    if kind not in KINDS:
        raise unknown_name("kind of thing to list", kind, KINDS)
    return list(KINDS[kind]())


def _with_presets(group: str, registry: Registry) -> Iterator[Listed]:
    for name in options(group):
        preset = CONF / group / f"{name}.yaml"
        if preset.is_file():
            yield Listed(name, _first_comment(preset), "longtake")
        else:
            entry = registry.entries()[name]
            yield Listed(name, registry.summary(name), entry.origin)


def _plugins(registry: Registry) -> Iterator[Listed]:
    for name, entry in sorted(registry.entries().items()):
        yield Listed(name, registry.summary(name), entry.origin)


def _suites() -> Iterator[Listed]:
    for name, suite in SUITES.items():
        yield Listed(name, f"version {suite.version}: {', '.join(suite.metrics)}", "longtake")


def _prompts() -> Iterator[Listed]:
    for name in options("prompts"):
        settings = build(PromptSettings, shipped("prompts", name), "prompts")
        if settings.source in GENERATORS.names():  # drawing them would import torch
            version = f"{settings.num} prompts by default"
        else:
            prompts = load_prompts(name, settings)
            version = f"{len(prompts.prompts)} prompts, sha256 {prompts.sha256[:12]}"
        comment = _first_comment(CONF / "prompts" / f"{name}.yaml")
        yield Listed(name, f"{comment} {version}.", "longtake")
    sources = ", ".join([*shipped_sets(), *GENERATORS.names()])
    yield Listed("FILE.txt, FILE.jsonl", f"your own; values of prompts.source: {sources}", "you")


def _experiments() -> Iterator[Listed]:
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        yield Listed(path.stem, _first_comment(path), "longtake")


def _first_comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


KINDS: dict[str, Callable[[], Iterator[Listed]]] = {
    "backbones": lambda: _with_presets("backbone", BACKBONES),
    "methods": lambda: _with_presets("method", METHODS),
    "encoders": lambda: _plugins(ENCODERS),
    "metrics": lambda: _plugins(METRICS),
    "suites": _suites,
    "prompts": _prompts,
    "experiments": _experiments,
}
