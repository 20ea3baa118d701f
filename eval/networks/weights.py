"""Weights files in the official cache layout: where they are, what they are, and which are wrong.

The layout is that of VBench and DreamSim below ~/.cache, so files fetched for the official code
serve here as they are. `VBENCH_CACHE_DIR` moves the part below vbench/, `TORCH_HOME` that below
torch/, as they do for the official code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, TypeVar
from zipfile import BadZipFile

from eval.errors import MetricUnavailable
from harness.core.files import cache_root, write_json
from harness.core.weights_files import WeightsFile

T = TypeVar("T")
# What torch, pickle and zip say of a file with other content.
_WRONG_CONTENT = (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError, BadZipFile)


class WeightsUnusable(MetricUnavailable):
    """A weights file that is there but is not what its name says; known until it changes."""


@dataclass(frozen=True)
class LayoutFile(WeightsFile):
    """One file of the layout; `file` is its path below ~/.cache.

    Attributes:
        address: where the official code takes it from.
        member: its path inside the archive that `address` is; empty if it is the file itself.
    """

    on_hub: ClassVar[bool] = False

    address: str = ""
    member: str = ""

    @property
    def url(self) -> str:
        """Where it, or the archive that holds it, is downloaded from."""
        return self.address

    @property
    def path(self) -> Path:
        """Where it belongs on this machine."""
        top, _, rest = self.file.partition("/")
        moved = {"vbench": "VBENCH_CACHE_DIR", "torch": "TORCH_HOME"}.get(top)
        if moved and (folder := os.environ.get(moved)):
            return Path(folder) / rest
        return Path.home() / ".cache" / self.file

    def check(self) -> None:
        """Make sure that the file is there.

        Raises:
            MetricUnavailable: it is missing.
        """
        if not self.path.is_file():
            where = f"{self.url}, there {self.member}" if self.member else self.url
            raise MetricUnavailable(
                f"weights missing: {self.path}; get them with "
                f"`python -m harness fetch-weights suite=vbench_long`, or from {where}"
            )


def check_files(files: Sequence[LayoutFile], network: str) -> None:
    """Make sure that files are there and not known to be no weights of `network`.

    Raises:
        MetricUnavailable: one is missing.
        WeightsUnusable: they could not be loaded before and have not changed since.
    """
    for file in files:
        file.check()
    if reason := _unusable().get(_stamp(files, network)):
        raise WeightsUnusable(reason)


def load_weights(files: Sequence[LayoutFile], load: Callable[[], T], network: str) -> T:
    """Call `load`, which reads `files`, and remember files that are not weights of `network`.

    Args:
        files: the weights.
        load: reads them.
        network: name and version.

    Raises:
        WeightsUnusable: they are not.
    """
    try:
        return load()
    except _WRONG_CONTENT as error:  # all others are not the fault of what is in the files
        if "out of memory" in str(error):
            raise
        line = " ".join(str(error).split())[:300]
        names = ", ".join(str(file.path) for file in files)
        reason = f"{names} cannot be loaded as weights of {network}: {line}"
        # Two processes at once may lose a note, which is then found out again.
        write_json(_notes(), _unusable() | {_stamp(files, network): reason})
        raise WeightsUnusable(reason) from error


def _unusable() -> dict[str, Any]:
    try:
        notes = json.loads(_notes().read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _notes() -> Path:
    return cache_root() / "unusable-weights.json"


def _stamp(files: Sequence[LayoutFile], network: str) -> str:
    """Changes with any of the files and with the network: other networks may share a good file."""
    stamps = [network]
    for file in files:
        stat = file.path.stat()
        stamps.append(f"{file.path.resolve()} {stat.st_size} {stat.st_mtime_ns}")
    return " | ".join(stamps)
