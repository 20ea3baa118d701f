"""Weights files in the official cache layout: checking, reading, remembering unusable ones.

The layout is that of VBench and DreamSim below ~/.cache, so files fetched for the official code
are used as they are. `VBENCH_CACHE_DIR` moves the part below vbench/, `TORCH_HOME` that below
torch/, as they do for the official code.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, TypeVar
from zipfile import BadZipFile

from eval.errors import MetricUnavailable
from harness.core.devices import ran_out_of_memory
from harness.core.errors import StoreError
from harness.core.files import cache_root, write_json
from harness.core.tensor_files import loading_tensors
from harness.core.typed_files import from_json
from harness.core.weights_files import WeightsFile

T = TypeVar("T")
# Errors of torch, pickle and zipfile for a file with other content.
_WRONG_CONTENT = (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError, BadZipFile)


class WeightsUnusable(MetricUnavailable):
    """A weights file that holds something else; remembered until the file changes."""


@dataclass(frozen=True)
class LayoutFile(WeightsFile):
    """One file of the layout; `file` is its path below ~/.cache.

    Attributes:
        address: where the official code takes it from.
        member: its path inside the archive that `address` is; empty if it is the file itself.
        suite: what `fetch-weights suite=` fetches it for.
    """

    on_hub: ClassVar[bool] = False

    address: str = ""
    member: str = ""
    suite: str = "vbench_long"

    @property
    def url(self) -> str:
        """Address of the file, or of the archive that holds it."""
        return self.address

    @property
    def path(self) -> Path:
        """Path of the file on this machine."""
        top, _, rest = self.file.partition("/")
        moved = {"vbench": "VBENCH_CACHE_DIR", "torch": "TORCH_HOME"}.get(top)
        if moved and (folder := os.environ.get(moved)):
            return Path(folder) / rest
        return Path.home() / ".cache" / self.file

    def check(self) -> None:
        """Check that the file exists.

        Raises:
            MetricUnavailable: it is missing.
        """
        if not self.path.is_file():
            where = f"{self.url} ({self.member} inside)" if self.member else self.url
            raise MetricUnavailable(
                f"weights missing: {self.path}; get them with "
                f"`python -m harness fetch-weights suite={self.suite}`, or from {where}"
            )


def check_files(files: Sequence[LayoutFile], network: str) -> None:
    """Check that files exist and did not fail to load as weights of `network` before.

    Raises:
        MetricUnavailable: one is missing.
        WeightsUnusable: they failed to load before and have not changed since.
    """
    for file in files:
        file.check()
    if reason := _unusable().get(_stamp(files, network)):
        raise WeightsUnusable(reason)


def load_weights(files: Sequence[LayoutFile], load: Callable[[], T], network: str) -> T:
    """Call `load`, which reads `files`, and remember the files if they are not of `network`.

    Args:
        files: the weights.
        load: reads them.
        network: name and version.

    Raises:
        WeightsUnusable: the files are not weights of this network.
    """
    try:
        return load()
    except (*_WRONG_CONTENT, OSError) as error:
        # In a file of a few bytes torch seeks to a place before its start.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        # torch raises a plain RuntimeError for lack of memory too, which says nothing of the file.
        if ran_out_of_memory(error):
            raise
        line = " ".join(str(error).split())[:300]
        names = ", ".join(str(file.path) for file in files)
        reason = f"{names} cannot be loaded as weights of {network}: {line}"
        # Of two processes that write at once one loses its note, and fails to load again later.
        write_json(_notes(), _unusable() | {_stamp(files, network): reason})
        raise WeightsUnusable(reason) from error


def read_state(path: Path) -> Any:
    """Read the tensors of a .pth file, mapped into memory if its format allows.

    Objects beside the tensors, as in the published `amt-s.pth`, are replaced by placeholders: no
    code of the file runs.
    """
    import torch

    load = loading_tensors(torch.load)
    try:
        return load(path, map_location="cpu", mmap=True)
    except RuntimeError as error:
        # Only torch's zip format can be mapped; older files are read.
        if "mmap" not in str(error):
            raise
        return load(path, map_location="cpu")


def _unusable() -> dict[str, str]:
    """Return the reasons noted before; none if there is no such file or it is damaged."""
    try:
        return from_json(_notes().read_bytes(), dict[str, str], str(_notes()))
    except (OSError, StoreError):
        return {}


def _notes() -> Path:
    return cache_root() / "unusable-weights.json"


def _stamp(files: Sequence[LayoutFile], network: str) -> str:
    """Return a text that changes with any of the files and with the network.

    The network is part of it because a file may be right for another one.
    """
    stamps = [network]
    for file in files:
        stat = file.path.stat()
        stamps.append(f"{file.path.resolve()} {stat.st_size} {stat.st_mtime_ns}")
    return " | ".join(stamps)
