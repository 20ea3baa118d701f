"""Sweeps as they are shown to others: without the folders of the machine that made them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.store.frames import Sweep
from harness.store.header import Header

_FOLDERS = re.compile(r"""(?<![\w./:~])/(?:[^\s/"'\\:;,<>|]+/)+(?=[^\s/"'])""")


def without_folders(text: str) -> str:
    """Return a text with only the last name of each absolute path."""
    return _FOLDERS.sub("…/", text)


def published(sweep: Sweep) -> Sweep:
    """Return a sweep whose texts name no folder; its files are found all the same."""
    units, scores = sweep.units.copy(), sweep.scores.copy()
    for frame in (units, scores):
        frame["reason"] = _texts(frame["reason"])
    for name in ("backbone_args", "method_args"):
        units[name] = units[name].map(_plain)
    return replace(
        sweep,
        sources=tuple(replace(source, header=_header(source.header)) for source in sweep.sources),
        units=units,
        scores=scores,
        warnings=tuple(without_folders(text) for text in sweep.warnings),
    )


def _texts(column: pd.Series) -> pd.Series:
    known = {text: without_folders(text) for text in column.dropna().unique()}
    return column.map(lambda text: known.get(text, text) if isinstance(text, str) else text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return without_folders(value) if isinstance(value, str) else value


def _header(header: Header) -> Header:
    commands = (
        replace(command, argv=tuple(map(without_folders, command.argv)), folder="")
        for command in header.commands
    )
    return replace(header, commands=tuple(commands))
