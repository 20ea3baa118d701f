"""Names and digests by unit in few bytes: a dictionary takes 250 for each of a million units."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

DIGEST_BYTES = 12
_BATCH = 4096


@dataclass(frozen=True)
class UnitDigests:
    """A digest of `DIGEST_BYTES` for each unit.

    Attributes:
        width: bytes of an id; shorter ones are filled with NUL.
        ids: sorted.
        digests: in their order.
    """

    width: int
    ids: bytes
    digests: bytes

    @classmethod
    def of(cls, units: Iterable[tuple[str, bytes]]) -> UnitDigests:
        """Return the digests of units in any order; several of one unit are combined."""
        digests = bytearray()
        names = _names(_collected(units, digests))
        parts = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)
        order = np.argsort(names, kind="stable")
        ids, first = np.unique(names[order], return_index=True)
        combined = np.bitwise_xor.reduceat(parts[order], first) if len(ids) else parts
        return cls(names.itemsize, ids.tobytes(), combined.tobytes())

    @property
    def names(self) -> np.ndarray:
        """The ids as an array of bytes, sorted."""
        return np.frombuffer(self.ids, f"S{self.width}")

    def hexes(self, unit_ids: Sequence[str]) -> list[str]:
        """Return the digests of units as texts; an empty one for a unit without a digest."""
        places = _find(_names(unit_ids), self.names)
        return [
            self.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES].hex()
            if place >= 0
            else ""
            for place in places.tolist()
        ]


def _collected(units: Iterable[tuple[str, bytes]], digests: bytearray) -> Iterator[str]:
    """Yield the units, and add their digests."""
    for unit_id, digest in units:
        digests += digest
        yield unit_id


def batched_bytes(digests: bytes | bytearray) -> Iterator[bytes]:
    """Yield digests that stand one after the other."""
    for first in range(0, len(digests), DIGEST_BYTES):
        yield bytes(digests[first : first + DIGEST_BYTES])


def sorted_names(names: Iterable[str]) -> np.ndarray:
    """Return names as an array of bytes, sorted."""
    return np.sort(_names(names))


def file_stems(folder: Path, suffix: str) -> Iterator[str]:
    """Yield the names of the files of a folder, which need not exist, without their suffix."""
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(suffix):
                    yield entry.name.removesuffix(suffix)


def outdated_stems(folder: Path, suffix: str, kept: np.ndarray) -> list[str]:
    """Return the `file_stems` of a folder that are not among names that are kept.

    Args:
        folder: it may have a million files.
        suffix: of the files.
        kept: of `sorted_names`.
    """
    stems, found = file_stems(folder, suffix), []
    while some := list(islice(stems, _BATCH)):
        places = _find(_names(some), kept)
        found += [stem for stem, place in zip(some, places.tolist(), strict=True) if place < 0]
    return found


def _find(names: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the place of each name among sorted ones; -1 for others."""
    places = np.searchsorted(among, names)
    found = places < len(among)
    found[found] = among[places[found]] == names[found]
    return np.where(found, places, -1)


def _names(names: Iterable[str]) -> np.ndarray:
    left, found = iter(names), [np.empty(0, "S1")]
    while some := [os.fsencode(name) for name in islice(left, _BATCH)]:
        found.append(np.array(some))
    return np.concatenate(found)
