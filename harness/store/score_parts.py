"""The scores of some units of a suite by columns, and how a report keeps them for the next one.

```
<folder>/<key>.scores       a `ScorePart`: numbers of videos
<folder>/<key>.curves       a `CurvePart`: numbers of clips, loaded when they are asked for
```

The key is a digest of the units, the stamps of their files and the code, so nothing outdated is
ever found. Each file begins with the digest of the rest; one that does not fit is made again.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from eval.metric import MetricInfo
from harness.core.errors import StoreError
from harness.core.files import read_bytes, replacing
from harness.core.notes import note

T = TypeVar("T")
_DIGEST_BYTES = 16
CURVE_NUMBERS = ("start_s", "end_s", "value", "first_similarity")
Drifts = dict[str, dict[str, dict[str, Any]]]
"""By metric and duration the fields of `eval.scoring.drift.Drift`."""


@dataclass(frozen=True)
class Curve:
    """A curve: a number for each clip."""

    start_s: tuple[float, ...]
    end_s: tuple[float, ...]
    value: list[float]
    first_similarity: list[float]


@dataclass(frozen=True)
class UnitMetrics:
    """Numbers of one file of scores that tables need.

    Attributes:
        version: of the suite.
        infos: descriptions of the metrics.
        scores: duration_s, metric, value, reason.
        curves: by metric.
        ages: duration_s, metric, age_s, value.
        segments: metric, index, start_s, value.
        frozen: durations in which the video stands still.
        looping: by duration, where known: whether the video returns to its first frame.
        drift: see `Drifts`.
    """

    version: str
    infos: dict[str, MetricInfo]
    scores: list[tuple[float, str, float | None, str | None]]
    curves: dict[str, Curve]
    ages: list[tuple[float, str, float, float]]
    segments: list[tuple[str, int, float, float | None]]
    frozen: tuple[float, ...]
    looping: dict[float, bool]
    drift: Drifts


@dataclass(frozen=True)
class ScorePart:
    """The numbers of the videos of some units, in their order.

    Attributes:
        units: those whose file could be read.
        versions, infos: the different ones; of_unit says which a unit has.
        of_version, of_infos: index into them, by unit.
        num_lines: lines of scores of each unit.
        num_clips: lines of curves of each unit.
        metrics, reasons: texts that lines refer to by index; -1 for no reason.
        metric, reason, duration_s, value: columns of the lines.
        ages, segments, frozen, looping: of `UnitMetrics`, of the units that have any.
    """

    units: tuple[str, ...]
    versions: tuple[str, ...]
    infos: tuple[dict[str, MetricInfo], ...]
    of_version: np.ndarray
    of_infos: np.ndarray
    num_lines: np.ndarray
    num_clips: np.ndarray
    metrics: tuple[str, ...]
    reasons: tuple[str, ...]
    metric: np.ndarray
    reason: np.ndarray
    duration_s: np.ndarray
    value: np.ndarray
    ages: dict[str, list[tuple[float, str, float, float]]]
    segments: dict[str, list[tuple[str, int, float, float | None]]]
    frozen: dict[str, tuple[float, ...]]
    looping: dict[str, dict[float, bool]]

    @classmethod
    def of(cls, units: Mapping[str, UnitMetrics]) -> ScorePart:
        """Return the part of some units."""
        metrics, reasons = Texts(), Texts()
        versions: list[str] = []
        infos: list[dict[str, MetricInfo]] = []
        durations, values = array("d"), array("d")
        for unit in units.values():
            for duration_s, metric, value, reason in unit.scores:
                durations.append(duration_s)
                values.append(or_nan(value))
                metrics.add(metric)
                reasons.add(reason)
        return cls(
            units=tuple(units),
            of_version=np.array([_place(versions, u.version) for u in units.values()], np.int32),
            of_infos=np.array([_place(infos, u.infos) for u in units.values()], np.int32),
            versions=tuple(versions),
            infos=tuple(infos),
            num_lines=np.array([len(u.scores) for u in units.values()], np.int64),
            num_clips=np.array([_num_clips(u) for u in units.values()], np.int64),
            metrics=metrics.distinct(),
            reasons=reasons.distinct(),
            metric=metrics.codes(),
            reason=reasons.codes(),
            duration_s=np.asarray(durations),
            value=np.asarray(values),
            ages={unit_id: u.ages for unit_id, u in units.items() if u.ages},
            segments={unit_id: u.segments for unit_id, u in units.items() if u.segments},
            frozen={unit_id: u.frozen for unit_id, u in units.items() if u.frozen},
            looping={unit_id: u.looping for unit_id, u in units.items() if u.looping},
        )


@dataclass(frozen=True)
class CurvePart:
    """The numbers of the clips of some units.

    Attributes:
        metrics: texts that lines refer to by index.
        metric, numbers: columns of the lines; numbers are `CURVE_NUMBERS`.
        drift: by unit, where there is any.
    """

    metrics: tuple[str, ...]
    metric: np.ndarray
    numbers: tuple[np.ndarray, ...]
    drift: dict[str, Drifts]

    @classmethod
    def of(cls, units: Mapping[str, UnitMetrics]) -> CurvePart:
        """Return the part of some units."""
        metrics = Texts()
        numbers = tuple(array("d") for _ in CURVE_NUMBERS)
        for unit in units.values():
            for metric, curve in unit.curves.items():
                metrics.add(metric, len(curve.value))
                for name, column in zip(CURVE_NUMBERS, numbers, strict=True):
                    column.extend(getattr(curve, name))
        return cls(
            metrics.distinct(),
            metrics.codes(),
            tuple(np.asarray(column) for column in numbers),
            {unit_id: unit.drift for unit_id, unit in units.items() if unit.drift},
        )


Parts = tuple[ScorePart, CurvePart]


@dataclass
class KeptParts:
    """The parts that a folder keeps.

    Attributes:
        folder: the folder.
        stamps: returns for each of some units a text that changes with its files.
        code: digest of the code that makes parts.
        used: keys asked for.
    """

    folder: Path
    stamps: Callable[[Sequence[str]], Sequence[str]]
    code: str
    used: set[str] = field(default_factory=set)

    def key(self, suite: str, units: Mapping[str, str]) -> str:
        """Return the key of the part of some units, given the hash of the video of each."""
        stamps = self.stamps(list(units))
        lines = map(" ".join, zip(units, units.values(), stamps, strict=True))
        text = "\n".join([self.code, suite, *lines])
        key = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        self.used.add(key)
        return key

    def scores(self, key: str) -> ScorePart | None:
        """Return the numbers of videos of a key; None if they or its curves are damaged or missing.

        Curves are checked here already: files of scores may change before they are asked for.
        """
        intact = self._content(key, CurvePart) is not None
        return self._read(key, ScorePart) if intact else None

    def curves(self, key: str, make: Callable[[], Parts]) -> CurvePart:
        """Return the numbers of clips of a key, which are made again if they are damaged."""
        found = self._read(key, CurvePart)
        if found is None:
            self.add(key, made := make())
            found = made[1]
        return found

    def add(self, key: str, parts: Parts) -> None:
        """Keep the parts of a key."""
        for part in parts:
            data = msgspec.msgpack.encode(part, enc_hook=_to_plain)
            with replacing(self._path(key, type(part)), durable=False) as fresh:
                fresh.write_bytes(_digest(data) + data)

    def forget_others(self) -> None:
        """Remove what was not asked for."""
        for path in self.folder.glob("[!.]*"):
            if path.stem not in self.used:
                path.unlink(missing_ok=True)

    def _read(self, key: str, cls: type[T]) -> T | None:
        content = self._content(key, cls)
        if content is None:
            return None
        try:
            return msgspec.msgpack.decode(content, type=cls, dec_hook=_to_array)
        except (msgspec.MsgspecError, ValueError, TypeError):
            self._note_damage(key, cls)
            return None

    def _content(self, key: str, cls: type) -> memoryview | None:
        try:
            data = read_bytes(self._path(key, cls))
        except FileNotFoundError:
            return None
        except StoreError:
            data = b""
        content = memoryview(data)[_DIGEST_BYTES:]
        if data[:_DIGEST_BYTES] != _digest(content):
            self._note_damage(key, cls)
            return None
        return content

    def _note_damage(self, key: str, cls: type) -> None:
        text = "damaged (checksum mismatch); made again from the scores of each video"
        note(f"{self._path(key, cls)}: {text}.")

    def _path(self, key: str, cls: type) -> Path:
        return self.folder / f"{key}.{'curves' if cls is CurvePart else 'scores'}"


class Texts:
    """A column of texts, each kept once: there may be millions of lines."""

    def __init__(self) -> None:
        self._codes = array("i")
        self._numbers: dict[str, int] = {}

    def add(self, text: str | None, times: int = 1) -> None:
        """Add lines of the same text, or of none."""
        code = -1 if text is None else self._numbers.setdefault(text, len(self._numbers))
        self._codes.extend([code] * times)

    def codes(self) -> np.ndarray:
        """Return the index of each line into `distinct`; -1 for none."""
        return np.asarray(self._codes)

    def distinct(self) -> tuple[str, ...]:
        """Return the texts."""
        return tuple(self._numbers)


def joined_codes(parts: Iterable[tuple[Sequence[str], np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Join columns of texts, each given as its distinct texts and an index by line."""
    numbers: dict[str, int] = {}
    found = [np.empty(0, np.int32)]
    for texts, codes in parts:
        places = [numbers.setdefault(text, len(numbers)) for text in texts]
        found.append(np.array([*places, -1], np.int32)[codes])
    return list(numbers), np.concatenate(found)


def or_nan(value: float | None) -> float:
    """Return a number as it is, and NaN for None."""
    return math.nan if value is None else value


def _place(known: list[Any], value: object) -> int:
    """Return the place of a value in a list, to which it is added if it is new."""
    if value not in known:
        known.append(value)
    return known.index(value)


def _num_clips(unit: UnitMetrics) -> int:
    return sum(len(curve.value) for curve in unit.curves.values())


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _to_plain(value: object) -> list[object]:
    assert isinstance(value, np.ndarray)
    return [value.dtype.str, value.tobytes()]


def _to_array(_: type, plain: Any) -> np.ndarray:
    kind, data = plain
    return np.frombuffer(data, dtype=kind)
