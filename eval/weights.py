"""Weights files in the official cache layout: where they are, what they are, and which are wrong.

The layout is that of VBench and DreamSim below ~/.cache, so files fetched for the official code
serve here as they are. `VBENCH_CACHE_DIR` moves the part below vbench/, `TORCH_HOME` that below
torch/, as they do for the official code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from eval.features import cache_folder
from eval.metric import MetricUnavailable

T = TypeVar("T")


class WeightsUnusable(MetricUnavailable):
    """A weights file that is there but is not what its name says; known until it changes."""


@dataclass(frozen=True)
class WeightsFile:
    """One file.

    Attributes:
        below: path below the cache folder, for example "vbench/amt_model/amt-s.pth".
        url: where the official code takes it from.
        member: its path inside the archive that `url` is; empty if it is the file itself.
    """

    below: str
    url: str
    member: str = ""

    @property
    def path(self) -> Path:
        """Where it belongs on this machine."""
        top, _, rest = self.below.partition("/")
        moved = {"vbench": "VBENCH_CACHE_DIR", "torch": "TORCH_HOME"}.get(top)
        if moved and (folder := os.environ.get(moved)):
            return Path(folder) / rest
        return Path.home() / ".cache" / self.below

    def check(self) -> None:
        """Make sure that the file is there and not known to be wrong.

        Raises:
            MetricUnavailable: it is missing.
            WeightsUnusable: it could not be loaded before and has not changed since.
        """
        if not self.path.is_file():
            raise MetricUnavailable(
                f"weights missing: {self.path}; get them with "
                "`python -m harness fetch-weights suite=vbench_long`, or put there what "
                f"{self.url} holds{f' as {self.member}' if self.member else ''}"
            )
        if reason := _unusable().get(_stamp(self.path)):
            raise WeightsUnusable(reason)

    def sha256(self) -> str:
        """Digest of the content, computed once per version of the file and machine."""
        return _digest(_stamp(self.path), self.path)


def load_weights(files: Sequence[WeightsFile], load: Callable[[], T], network: str) -> T:
    """Call `load`, which reads `files`, and remember files that are not weights of `network`.

    Raises:
        WeightsUnusable: they are not.
    """
    try:
        return load()
    except (MetricUnavailable, MemoryError, ImportError):
        raise
    except Exception as error:
        if "out of memory" in str(error):
            raise
        line = " ".join(str(error).split())[:300]
        names = ", ".join(str(file.path) for file in files)
        reason = f"{names} cannot be loaded as weights of {network}: {line}"
        for file in files:
            _note("unusable-weights.json", _stamp(file.path), reason)
        raise WeightsUnusable(reason) from error


def _unusable() -> dict[str, str]:
    return _notes("unusable-weights.json")


@lru_cache
def _digest(stamp: str, path: Path) -> str:
    if known := _notes("weights-sha256.json").get(stamp):
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _note("weights-sha256.json", stamp, digest)
    return digest


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"


def _notes(name: str) -> dict[str, Any]:
    try:
        notes = json.loads((cache_folder() / name).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _note(name: str, key: str, value: str) -> None:
    """Add a note; two processes at once may lose one, which is then found out again."""
    path = cache_folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{name}.{os.getpid()}")
    fresh.write_text(json.dumps(_notes(name) | {key: value}, indent=1))
    fresh.replace(path)
