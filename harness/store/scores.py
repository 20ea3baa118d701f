"""The metric files of a sweep as frames: numbers per duration, and curves over time."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from eval.recall.ages import part_age_s
from eval.scoring.results import Scores
from harness.core.durations import duration_of
from harness.core.errors import StoreError
from harness.store.clips import ClipPart, Clips
from harness.store.files import Reader
from harness.store.score_parts import (
    Curve,
    CurvePart,
    KeptParts,
    Parts,
    ScorePart,
    UnitMetrics,
    joined_codes,
    or_nan,
)

AGE_COLUMNS = ["suite", "unit_id", "duration_s", "metric", "age_s", "value"]
SEGMENT_COLUMNS = ["suite", "unit_id", "metric", "segment", "start_s", "value"]
_PART_UNITS = 512  # mean number of units of a part


@dataclass(frozen=True)
class Measured:
    """All metric files of a sweep; the frames are described at `harness.store.frames.Sweep`."""

    scores: pd.DataFrame
    clips: Clips
    ages: pd.DataFrame
    segments: pd.DataFrame
    metrics: dict[str, dict[str, MetricInfo]]
    versions: dict[str, tuple[str, ...]]
    frozen: frozenset[tuple[str, float]]
    looping: dict[tuple[str, float], bool]


def load_scores(
    stores: Sequence[tuple[Reader, Mapping[str, str]]],
    rows: Iterable[Sequence[str]] = (),
    kept: KeptParts | None = None,
) -> Measured:
    """Read the score files of all suites of all stores.

    Args:
        stores: per run store a reader, which collects a warning for each file that is left out, and
            the finished units with the hash of their video. Metrics of another video and metrics of
            an unfinished unit are left out with a warning. If several stores hold a unit, the video
            of the first one counts, with the first metric file that measured it.
        rows: units that are read and kept together.
        kept: what the last report kept of them; None reads every file.

    Raises:
        StoreError: a suite was scored with different versions.
    """
    shown = {unit_id: sha for _, videos in reversed(stores) for unit_id, sha in videos.items()}
    places = {unit_id: place for place, unit_id in enumerate(shown)}
    parts = _in_parts(rows, shown)
    scores = _Scores(places)
    clips: list[ClipPart] = []
    ages: list[tuple[Any, ...]] = []
    segments: list[tuple[Any, ...]] = []
    metrics: dict[str, dict[str, MetricInfo]] = {}
    versions: dict[str, tuple[str, ...]] = {}
    frozen: set[tuple[str, float]] = set()
    looping: dict[tuple[str, float], bool] = {}
    for suite in sorted({name for reader, _ in stores for name in reader.paths.suites()}):
        files = _Files(suite, [(reader, v, _units_of(reader, suite)) for reader, v in stores])
        found: dict[str, tuple[ScorePart, int]] = {}
        for units in parts:
            part, curves = _part(files, units, kept)
            found.update((unit_id, (part, index)) for index, unit_id in enumerate(part.units))
            scores.add(suite, part)
            clips.append(ClipPart(suite, part.units, part.num_clips, curves))
        infos: dict[str, MetricInfo] = {}
        met_versions: dict[str, Path] = {}
        usual: set[int] = set()  # descriptions that were looked at, by identity
        for unit_id in shown:
            if unit_id not in found:
                continue
            part, index = found[unit_id]
            version = part.versions[part.of_version[index]]
            if version not in met_versions:
                met_versions[version] = files.path_of(unit_id, shown[unit_id])
            own = part.infos[part.of_infos[index]]
            if id(own) not in usual:
                other = [name for name, info in own.items() if infos.setdefault(name, info) != info]
                for name in other:
                    files.warn_of_other_infos(unit_id, shown[unit_id], name)
                usual.update([] if other else [id(own)])
            ages.extend((suite, unit_id, *age) for age in part.ages.get(unit_id, ()))
            segments.extend((suite, unit_id, *one) for one in part.segments.get(unit_id, ()))
            frozen.update((unit_id, duration_s) for duration_s in part.frozen.get(unit_id, ()))
            for duration_s, flag in part.looping.get(unit_id, {}).items():
                looping[unit_id, duration_s] = looping.get((unit_id, duration_s), False) or flag
        missing = [unit_id for unit_id, sha256 in shown.items() if not files.of(unit_id, sha256)]
        _warn_of_missing(stores[0][0], suite, missing)
        files.warn_of_unfinished()
        _refuse_mixed(suite, met_versions)
        if infos:
            metrics[suite] = infos
            versions[suite] = tuple(met_versions)
    return Measured(
        scores=scores.frame(frozen),
        clips=Clips(tuple(clips), tuple(shown)),
        ages=pd.DataFrame(ages, columns=AGE_COLUMNS).astype(dict.fromkeys(AGE_COLUMNS[4:], float)),
        segments=pd.DataFrame(segments, columns=SEGMENT_COLUMNS).astype({"value": float}),
        metrics=metrics,
        versions=versions,
        frozen=frozenset(frozen),
        looping=looping,
    )


def _in_parts(rows: Iterable[Sequence[str]], shown: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the units that are read together, each with the hash of its video.

    Where a part ends depends on its last unit alone, so a unit that is new moves no other part.
    """
    parts: list[dict[str, str]] = []
    taken: set[str] = set()
    for row in [*rows, list(shown)]:
        part: dict[str, str] = {}
        for unit_id in row:
            if unit_id in shown and unit_id not in taken:
                taken.add(unit_id)
                part[unit_id] = shown[unit_id]
                if zlib.crc32(unit_id.encode()) % _PART_UNITS == 0:
                    parts.append(part)
                    part = {}
        parts.extend([part] if part else [])
    return parts


@dataclass(frozen=True)
class _Files:
    """The files of a suite, by store: its reader, the hashes of its videos, units with a file."""

    suite: str
    stores: Sequence[tuple[Reader, Mapping[str, str], set[str]]]

    def of(self, unit_id: str, sha256: str) -> list[Reader]:
        """Return the readers of the stores that may have the scores of a video."""
        return [
            reader
            for reader, videos, units in self.stores
            if unit_id in units and videos.get(unit_id) == sha256
        ]

    def path_of(self, unit_id: str, sha256: str) -> Path:
        """Return the first file of a video."""
        return self.of(unit_id, sha256)[0].paths.scores_path(self.suite, unit_id)

    def read(self, units: Mapping[str, str]) -> dict[str, UnitMetrics]:
        """Return what the first readable file of each video has, with warnings about others."""
        found: dict[str, UnitMetrics] = {}
        for unit_id, sha256 in units.items():
            for reader in self.of(unit_id, sha256):
                path = reader.paths.scores_path(self.suite, unit_id)
                unit = _unit_metrics(reader, path, sha256)
                if unit is not None:
                    found[unit_id] = unit
                    break
        return found

    def warn_of_other_infos(self, unit_id: str, sha256: str, name: str) -> None:
        """Add a warning about a metric that is described in another way than before."""
        reader = self.of(unit_id, sha256)[0]
        path = reader.paths.scores_path(self.suite, unit_id)
        reader.warn(path, f"describes metric {name} differently than other files.")

    def warn_of_unfinished(self) -> None:
        """Add a warning for each file of a unit that is not finished."""
        for reader, videos, units in self.stores:
            for unit_id in sorted(units.difference(videos)):
                path = reader.paths.scores_path(self.suite, unit_id)
                reader.warn(path, "no finished unit of this sweep has this id; left out.")


def _part(
    files: _Files, units: Mapping[str, str], kept: KeptParts | None
) -> tuple[ScorePart, Callable[[], CurvePart]]:
    """Return what is kept of some units, or read their files."""

    def made() -> Parts:
        found = files.read(units)
        return ScorePart.of(found), CurvePart.of(found)

    if kept is None:
        scores, curves = made()
        return scores, lambda: curves
    key = kept.key(files.suite, units)
    known = kept.scores(key)
    if known is None:
        kept.add(key, parts := made())
        known = parts[0]
    else:  # files that could not be read: a warning each time, until they can be
        readable = set(known.units)
        if files.read({u: sha256 for u, sha256 in units.items() if u not in readable}):
            kept.add(key, parts := made())
            known = parts[0]
    return known, lambda: kept.curves(key, made)


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


class _Scores:
    """The lines of `Sweep.scores`, by columns.

    Args:
        places: place of each unit in the sweep.
    """

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._suites: dict[str, list[ScorePart]] = {}

    def add(self, suite: str, part: ScorePart) -> None:
        self._suites.setdefault(suite, []).append(part)

    def frame(self, frozen: Set[tuple[str, float]]) -> pd.DataFrame:
        """Return the frame, once all are read: any suite may know that a video stands still."""
        parts = [part for ps in self._suites.values() for part in ps]
        owners = [
            np.repeat([self._places[u] for u in part.units], part.num_lines) for part in parts
        ]
        unit = np.concatenate([np.empty(0, np.int64), *owners]).astype(np.int64)
        of_suite = [number for number, ps in enumerate(self._suites.values()) for _ in ps]
        lines = np.array([len(part.value) for part in parts], np.int64)
        suite = np.repeat(np.array(of_suite, np.int64), lines)
        order = np.lexsort((unit, suite))  # stable: lines of a unit stay as they are in its file
        metrics, metric = joined_codes((part.metrics, part.metric) for part in parts)
        reasons, reason = joined_codes((part.reasons, part.reason) for part in parts)
        empty = np.empty(0)
        frame = pd.DataFrame(
            {
                "suite": _texts(list(self._suites), suite[order]),
                "unit_id": _texts(list(self._places), unit[order]),
                "duration_s": np.concatenate([empty, *(p.duration_s for p in parts)])[order],
                "metric": _texts(metrics, metric[order]),
                "value": np.concatenate([empty, *(p.value for p in parts)])[order],
                "reason": _texts(reasons, reason[order]),
            },
            copy=False,
        )
        pairs = zip(frame["unit_id"], frame["duration_s"], strict=True) if frozen else ()
        flags = [pair in frozen for pair in pairs]
        frame["frozen"] = np.array(flags, bool) if frozen else np.zeros(len(frame), bool)
        return frame


def _texts(distinct: Sequence[str], codes: np.ndarray) -> pd.api.extensions.ExtensionArray:
    """Return a column of texts by their index; NaN for -1."""
    return pd.array(list(distinct), dtype="str").take(codes, allow_fill=True)


def _unit_metrics(reader: Reader, path: Path, sha256: str) -> UnitMetrics | None:
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


def _parse(scores: Scores) -> UnitMetrics:
    lines: list[tuple[float, str, float | None, str | None]] = []
    curves: dict[str, Curve] = {}
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
            curves[name] = Curve(
                starts_s,
                ends_s,
                [or_nan(metric.curve[index]) for index in longest.clips],
                [or_nan(alike[index]) for index in longest.clips],
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
    return UnitMetrics(
        scores.suite_version, infos, lines, curves, ages, segments, frozen, looping, drift
    )
