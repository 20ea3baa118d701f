"""The metric files of a sweep as frames: numbers per duration, and curves over time."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from eval.recall.ages import part_age_s
from eval.scoring.results import Scores
from harness.core.durations import duration_of
from harness.core.errors import StoreError
from harness.store.files import Reader

SCORE_COLUMNS = ["suite", "unit_id", "duration_s", "metric", "value", "reason", "frozen"]
CURVE_COLUMNS = [
    *("suite", "unit_id", "metric", "start_s", "end_s", "value", "first_similarity"),
]
AGE_COLUMNS = ["suite", "unit_id", "duration_s", "metric", "age_s", "value"]
SEGMENT_COLUMNS = ["suite", "unit_id", "metric", "segment", "start_s", "value"]


@dataclass(frozen=True)
class Measured:
    """All metric files of a sweep; the frames are described at `harness.store.frames.Sweep`."""

    scores: pd.DataFrame
    curves: pd.DataFrame
    ages: pd.DataFrame
    segments: pd.DataFrame
    metrics: dict[str, dict[str, MetricInfo]]
    versions: dict[str, tuple[str, ...]]
    frozen: frozenset[tuple[str, float]]
    looping: dict[tuple[str, float], bool]
    drift: dict[str, dict[str, dict[str, dict[str, Any]]]]


@dataclass(frozen=True)
class _Curve:
    """A curve: a number for each clip, as the last of `CURVE_COLUMNS`."""

    start_s: tuple[float, ...]
    end_s: tuple[float, ...]
    value: list[float]
    first_similarity: list[float]


@dataclass(frozen=True)
class _UnitMetrics:
    version: str
    infos: dict[str, MetricInfo]
    scores: list[tuple[float, str, float | None, str | None]]
    curves: dict[str, _Curve]  # by metric
    ages: list[tuple[float, str, float, float]]  # duration_s, metric, age_s, value
    segments: list[tuple[str, int, float, float | None]]  # metric, index, start_s, value
    frozen: tuple[float, ...]  # durations in which the video stands still
    looping: dict[float, bool]  # by duration, where known: whether it returns to its first frame
    # By metric and duration: the fields of `eval.scoring.drift.Drift`.
    drift: dict[str, dict[str, dict[str, Any]]]


def load_scores(stores: Sequence[tuple[Reader, Mapping[str, str]]]) -> Measured:
    """Read the score files of all suites of all stores.

    Args:
        stores: per run store a reader, which collects a warning for each file that is left out, and
            the finished units with the hash of their video. Metrics of another video and metrics of
            an unfinished unit are left out with a warning. If several stores hold a unit, the video
            of the first one counts, with the first metric file that measured it.

    Raises:
        StoreError: a suite was scored with different versions.
    """
    scores, curves = _Scores(), _Curves()
    ages: list[tuple[Any, ...]] = []
    segments: list[tuple[Any, ...]] = []
    metrics: dict[str, dict[str, MetricInfo]] = {}
    versions: dict[str, tuple[str, ...]] = {}
    frozen: set[tuple[str, float]] = set()
    looping: dict[tuple[str, float], bool] = {}
    drift: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    shown = {unit_id: sha for _, videos in reversed(stores) for unit_id, sha in videos.items()}
    for suite in sorted({name for reader, _ in stores for name in reader.paths.suites()}):
        infos: dict[str, MetricInfo] = {}
        met_versions: dict[str, Path] = {}
        missing: list[str] = []
        there = [(reader, videos, _units_of(reader, suite)) for reader, videos in stores]
        for unit_id, sha256 in shown.items():
            present = [
                reader
                for reader, videos, units in there
                if unit_id in units and videos.get(unit_id) == sha256
            ]
            if not present:
                missing.append(unit_id)
            found = _first_metrics(present, suite, unit_id, sha256)
            if found is None:
                continue
            reader, unit = found
            path = reader.paths.scores_path(suite, unit_id)
            for name, info in unit.infos.items():
                if infos.setdefault(name, info) != info:
                    reader.warn(path, f"describes metric {name} differently than other files.")
            met_versions.setdefault(unit.version, path)
            scores.add(suite, unit_id, unit.scores)
            curves.add(suite, unit_id, unit.curves)
            ages.extend((suite, unit_id, *age) for age in unit.ages)
            segments.extend((suite, unit_id, *segment) for segment in unit.segments)
            if unit.drift:
                drift.setdefault(unit_id, {})[suite] = unit.drift
            frozen.update((unit_id, duration_s) for duration_s in unit.frozen)
            for duration_s, flag in unit.looping.items():
                looping[unit_id, duration_s] = looping.get((unit_id, duration_s), False) or flag
        _warn_of_missing(stores[0][0], suite, missing)
        for reader, videos, units in there:
            for unit_id in sorted(units.difference(videos)):
                path = reader.paths.scores_path(suite, unit_id)
                reader.warn(path, "no finished unit of this sweep has this id; left out.")
        _refuse_mixed(suite, met_versions)
        if infos:
            metrics[suite] = infos
            versions[suite] = tuple(met_versions)
    return Measured(
        scores=scores.frame(frozen),
        curves=curves.frame(),
        ages=pd.DataFrame(ages, columns=AGE_COLUMNS).astype(dict.fromkeys(AGE_COLUMNS[4:], float)),
        segments=pd.DataFrame(segments, columns=SEGMENT_COLUMNS).astype({"value": float}),
        metrics=metrics,
        versions=versions,
        frozen=frozenset(frozen),
        looping=looping,
        drift=drift,
    )


def _units_of(reader: Reader, suite: str) -> set[str]:
    """Return the units that have a file of scores: one look at the folder instead of one a unit."""
    try:
        names = os.listdir(reader.paths.suite_dir(suite))  # noqa: PTH208
    except FileNotFoundError:  # a suite of another store
        return set()
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}


def _refuse_mixed(suite: str, versions: Mapping[str, Path]) -> None:
    if len(versions) > 1:
        places = " and ".join(f"{version!r} ({path})" for version, path in sorted(versions.items()))
        raise StoreError(
            f"Suite {suite} was scored with different versions, whose numbers do not compare: "
            f"{places}. Score all with one: python -m harness eval FOLDER suite={suite}"
        )


def _warn_of_missing(reader: Reader, suite: str, missing: Sequence[str]) -> None:
    """Add one warning for all videos, because a running sweep has many that are not scored yet."""
    if missing:
        named = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        text = f"{len(missing)} finished videos are not evaluated: {named}."
        reader.warn(reader.paths.suite_dir(suite), text)


def _first_metrics(
    readers: Sequence[Reader], suite: str, unit_id: str, sha256: str
) -> tuple[Reader, _UnitMetrics] | None:
    """Return the first readable metric file of a video."""
    for reader in readers:
        unit = _unit_metrics(reader, reader.paths.scores_path(suite, unit_id), sha256)
        if unit is not None:
            return reader, unit
    return None


class _Texts:
    """A column of texts, each kept once: there may be millions of lines."""

    def __init__(self) -> None:
        self._codes = array("i")
        self._numbers: dict[str, int] = {}

    def add(self, text: str | None, times: int = 1) -> None:
        code = -1 if text is None else self._numbers.setdefault(text, len(self._numbers))
        self._codes.extend(repeat(code, times))

    def texts(self) -> pd.api.extensions.ExtensionArray:
        """Return the column; NaN for None."""
        distinct = pd.array(list(self._numbers), dtype="str")
        return distinct.take(np.asarray(self._codes), allow_fill=True)

    def categories(self) -> pd.Categorical[str]:
        """Return the column as sorted categories, which take four bytes a line or less."""
        found = pd.Categorical.from_codes(np.asarray(self._codes), pd.Index(list(self._numbers)))
        return found.reorder_categories(sorted(self._numbers))


class _Scores:
    """The lines of `Sweep.scores`, by columns."""

    def __init__(self) -> None:
        self._suite, self._unit_id, self._metric, self._reason = (_Texts() for _ in range(4))
        self._duration_s, self._value = array("d"), array("d")

    def add(
        self, suite: str, unit_id: str, lines: list[tuple[float, str, float | None, str | None]]
    ) -> None:
        self._suite.add(suite, len(lines))
        self._unit_id.add(unit_id, len(lines))
        for duration_s, metric, value, reason in lines:
            self._duration_s.append(duration_s)
            self._metric.add(metric)
            self._value.append(_or_nan(value))
            self._reason.add(reason)

    def frame(self, frozen: Set[tuple[str, float]]) -> pd.DataFrame:
        """Return the frame, once all are read: any suite may know that a video stands still."""
        frame = pd.DataFrame(
            {
                "suite": self._suite.texts(),
                "unit_id": self._unit_id.texts(),
                "duration_s": np.asarray(self._duration_s),
                "metric": self._metric.texts(),
                "value": np.asarray(self._value),
                "reason": self._reason.texts(),
            },
            copy=False,
        )
        pairs = zip(frame["unit_id"], frame["duration_s"], strict=True)
        frame["frozen"] = np.fromiter((pair in frozen for pair in pairs), bool, len(frame))
        return frame


class _Curves:
    """The lines of `Sweep.curves`, by columns."""

    def __init__(self) -> None:
        self._texts = {name: _Texts() for name in CURVE_COLUMNS[:3]}
        self._numbers = {name: array("d") for name in CURVE_COLUMNS[3:]}

    def add(self, suite: str, unit_id: str, curves: Mapping[str, _Curve]) -> None:
        for metric, curve in curves.items():
            texts = (suite, unit_id, metric)
            for column, text in zip(self._texts.values(), texts, strict=True):
                column.add(text, len(curve.value))
            for name, numbers in self._numbers.items():
                numbers.extend(getattr(curve, name))

    def frame(self) -> pd.DataFrame:
        texts = {name: column.categories() for name, column in self._texts.items()}
        numbers = {name: np.asarray(column) for name, column in self._numbers.items()}
        return pd.DataFrame(texts | numbers, copy=False)


def _unit_metrics(reader: Reader, path: Path, sha256: str) -> _UnitMetrics | None:
    """Read one score file; return None with a warning if it is stale or damaged."""
    scores = reader.read(path, Scores)
    if scores is None:
        return None
    if scores.video_sha256 != sha256:
        reader.warn(path, "measured another video than the one recorded; left out.")
        return None
    try:
        return _parse(scores)
    except (ValueError, IndexError) as error:
        reader.warn(path, f"its parts do not fit together, {error!r}; left out.")
        return None


def _parse(scores: Scores) -> _UnitMetrics:
    lines: list[tuple[float, str, float | None, str | None]] = []
    curves: dict[str, _Curve] = {}
    # The clip list joins the clips of all durations; the short tail clip of a shorter duration
    # would be a second value at the same time.
    longest = scores.durations[max(scores.durations, key=duration_of)]
    starts_s = tuple(scores.clips[index].start_s for index in longest.clips)
    ends_s = tuple(scores.clips[index].end_s for index in longest.clips)
    for name, metric in scores.metrics.items():
        for duration, value in metric.durations.items():
            reason = None if value is not None else metric.reason or "no reason given"
            lines.append((duration_of(duration), name, value, reason))
        if metric.curve is not None:
            alike = metric.first_similarity or (None,) * len(metric.curve)
            curves[name] = _Curve(
                starts_s,
                ends_s,
                [_or_nan(metric.curve[index]) for index in longest.clips],
                [_or_nan(alike[index]) for index in longest.clips],
            )
    frozen = tuple(
        duration_of(duration) for duration in scores.frozen if scores.stands_still(duration)
    )
    looping = {duration_of(name): found.flag for name, found in scores.looping.items() if found}
    drift = {
        name: drifts
        for name, metric in scores.metrics.items()
        if (drifts := {d: vars(found) for d, found in metric.drift.items() if found})
    }
    infos = {name: metric.info for name, metric in scores.metrics.items()}
    segments = [
        (name, index, segment.start_frame / scores.fps, value)
        for name, metric in scores.metrics.items()
        for index, (segment, value) in enumerate(
            zip(scores.segments, metric.segments, strict=False)  # a metric may have none
        )
    ]
    ages = [
        (duration_of(duration), name, age_s, value)
        for name, metric in scores.metrics.items()
        for duration, parts in metric.parts.items()
        for part, value in parts.items()
        if (age_s := part_age_s(part)) is not None
    ]
    return _UnitMetrics(
        scores.suite_version, infos, lines, curves, ages, segments, frozen, looping, drift
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
