"""`python -m harness retrieval`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from harness.cli.arguments import parse_pairs, sweep_folder
from harness.cli.terminal import Terminal
from harness.core.errors import ConfigError
from harness.core.machine import num_cores, prepare_process
from harness.studies.retrieval.study import RetrievalStudy, run_study
from methods.retrieval import Retrieval
from reports.studies.retrieval_page import summarise, tables

_SOURCES = ("world", "corpus", "video", "photo", "sweep")
_KEYS = (*_SOURCES, "encoder", "seconds", "seed", "k", "guard", "pictures", "out", "threads")
_ENCODERS = "avg_pool,flat,tiny_recon,tiny_smooth,tiny_delta,tiny_full"


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, _KEYS)
    terminal = Terminal()
    prepare_process(_number(pairs, "threads", num_cores(), least=1))
    result = run_study(_study(pairs), terminal)
    for title, (header, *lines) in tables(summarise(result.measures)).items():
        table = Table(*header, title=title, title_justify="left")
        for name, *cells in lines:
            table.add_row(name, *(cell.partition(" ")[0] for cell in cells))  # without intervals
        terminal.console.print(table)
    for note in result.notes:
        terminal.say(note)
    terminal.say(f"retrieval: {result.page}")
    return 0


def _study(pairs: dict[str, str]) -> RetrievalStudy:
    return RetrievalStudy(
        folder=Path(pairs.get("out", "retrieval")),
        retrieval=Retrieval(
            memory_latents=_number(pairs, "k", 6, least=1),
            recent_exclude_latents=_number(pairs, "guard", 5),
        ),
        sweep=sweep_folder(pairs) if "sweep" in pairs else None,
        num_world=_number(pairs, "world", 0 if set(_SOURCES) & set(pairs) else 16),
        corpus=Path(pairs["corpus"]) if "corpus" in pairs else None,
        videos=_files(pairs, "video"),
        photos=_files(pairs, "photo"),
        encoders=tuple(pairs.get("encoder", _ENCODERS).split(",")),
        length_s=_number(pairs, "seconds", 30, least=1),
        seed=_number(pairs, "seed", 0),
        num_pictures=_number(pairs, "pictures", 1),
    )


def _files(pairs: dict[str, str], key: str) -> tuple[Path, ...]:
    return tuple(Path(text) for text in pairs.get(key, "").split(",") if text)


def _number(pairs: dict[str, str], key: str, default: int, least: int = 0) -> int:
    text = pairs.get(key, str(default))
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{key}={text}: expected a whole number from {least}.")
    return int(text)
