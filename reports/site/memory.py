"""Intervals and tests of the last report, kept in its folder: most are those of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.statistics.memory import Memory
from harness.core.errors import StoreError
from harness.core.files import read_bytes, replacing
from harness.core.notes import note
from harness.core.typed_files import from_line, to_line
from reports.site.state import code_digest


@dataclass(frozen=True)
class _Array:
    """An array of float64."""

    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class _Kept:
    """The file: what was computed by one state of the code."""

    code: str
    arrays: dict[str, _Array]


def read_memory(out: Path) -> Memory:
    """Return the memory of the report in a folder; an empty one without, or of other code."""
    try:
        kept = from_line(read_bytes(_path(out)), _Kept, str(_path(out)), sealed=True)
        arrays = kept.arrays if kept.code == code_digest() else {}
        return Memory({name: _array(one) for name, one in arrays.items()})
    except FileNotFoundError:
        return Memory()
    except (StoreError, ValueError) as error:
        note(f"{str(error).rstrip('.')}; all intervals are computed again.")
        return Memory()


def write_memory(out: Path, memory: Memory) -> None:
    """Keep what was used, so that the file does not grow."""
    arrays = {
        name: _Array(array.shape, array.astype(np.float64).tobytes())
        for name, array in memory.used.items()
    }
    with replacing(_path(out), durable=False) as fresh:
        fresh.write_bytes(to_line(_Kept(code_digest(), arrays)))


def _array(one: _Array) -> np.ndarray:
    return np.frombuffer(one.data).reshape(one.shape)


def _path(out: Path) -> Path:
    return out / "memory.json"
