"""Sweeps as they are shown to others: without the folders of the machine that made them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.store.columns import categories
from harness.store.frames import Sweep
from harness.store.header import Header

Hide = Callable[[str], str]
"""Returns a text with only the last name of each absolute path."""

_FILE = r"""\bfile://[^\s/"']*"""
# An absolute path begins after no letter or point of a relative one and after no scheme of an
# address, but in JSON possibly after an escaped line break; two slashes begin that of a server.
_START = rf"""(?:{_FILE}|(?<![\w./~:])/?|(?<=:)(?!//)|(?<=\\[nrt]))"""
_FOLDER = r"""(?:[^\s/"'\\:;,<>|]+/)"""
_NAME = r"""(?=[^\s/"'])"""


def hide_folders(known: Iterable[str | Path] = ()) -> Hide:
    """Return a function that leaves the folders out of the absolute paths in a text.

    A text does not say where the name of a folder ends that has a space in it, nor where a path
    begins that follows a letter, as in "-I/usr/include".

    Args:
        known: folders that are recognised whatever their names and wherever they stand.
    """
    # A folder in the root needs no help; without it, parts of relative paths would be taken for it.
    names = sorted({str(path) for path in known if len(Path(path).parts) > 2}, key=len)
    choices = [rf"{_START}/{_FOLDER}+{_NAME}"]
    if names:
        of_known = "|".join(map(re.escape, reversed(names)))
        choices.insert(0, rf"(?:{_FILE})?(?:{of_known})/{_FOLDER}*{_NAME}")
    pattern = re.compile("|".join(choices))
    return lambda text: pattern.sub("…/", text)


def folder_hider(sweep: Sweep) -> Hide:
    """Return `hide_folders` that knows the stores, their commands' folders, and the user's own."""
    stores = [source.folder for source in sweep.sources]
    commands = [command.folder for one in sweep.sources for command in one.header.commands]
    return hide_folders([*stores, *commands, Path.cwd(), os.environ.get("HOME", "/")])


def published(sweep: Sweep) -> Sweep:
    """Return a sweep whose texts name no folder; its files are still found."""
    hide = folder_hider(sweep)
    units = sweep.units.assign(reason=_texts(sweep.units["reason"], hide))
    for name in ("backbone_args", "method_args"):
        # Units of a row share them.
        hidden = {id(value): _plain(value, hide) for value in units[name]}
        units[name] = [hidden[id(value)] for value in units[name]]
    return replace(
        sweep,
        sources=tuple(replace(one, header=_header(one.header, hide)) for one in sweep.sources),
        units=units,
        scores=sweep.scores.assign(reason=_texts(sweep.scores["reason"], hide)),
        warnings=tuple(map(hide, sweep.warnings)),
    )


def _texts(column: pd.Series, hide: Hide) -> pd.Categorical:
    hidden = [hide(text) for text in column.cat.categories]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(hidden))}
    new = np.array([*map(numbers.__getitem__, hidden), -1])
    return categories(list(numbers), new[column.cat.codes])


def _plain(value: Any, hide: Hide) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part, hide) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, hide) for part in value]
    return hide(value) if isinstance(value, str) else value


def _header(header: Header, hide: Hide) -> Header:
    commands = (
        replace(command, argv=tuple(map(hide, command.argv)), folder="")
        for command in header.commands
    )
    return replace(header, commands=tuple(commands))
