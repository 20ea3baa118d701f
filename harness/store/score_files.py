"""The files of scores of a sweep: which there are, and what they say."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from eval.metric import MetricInfo
from eval.recall.ages import part_age_s
from eval.scoring.results import Scores
from harness.core.durations import duration_of
from harness.store.files import Reader
from harness.store.score_parts import Curve, ScorePart, UnitMetrics, or_nan


@dataclass(frozen=True)
class Videos:
    """The finished videos of one store.

    Attributes:
        reader: of the store; it collects a warning for each file of scores that is left out.
        sha256: hash of the video of each of the units of all stores; NaN without one here.
    """

    reader: Reader
    sha256: ExtensionArray


@dataclass(frozen=True)
class Shown:
    """The videos of a report.

    Attributes:
        units: all units.
        sha256: hash of the video of each; NaN without one.
        order: places of the units that have one.
        rank: place of each unit in `order`.
    """

    units: pd.Index
    sha256: ExtensionArray
    order: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(cls, stores: Sequence[Videos], units: pd.Index) -> Shown:
        first, *others = stores
        sha256 = pd.Series(first.sha256)
        order = np.flatnonzero(sha256.notna())
        for store in others:
            own = pd.Series(store.sha256)
            # Those of the last store come first.
            order = np.concatenate([np.flatnonzero(own.notna()), order])
            sha256 = sha256.where(sha256.notna(), own)
        order = pd.unique(order)
        rank = np.full(len(units), -1, np.int32)
        rank[order] = np.arange(len(order))
        return cls(units, sha256.array, order, rank)

    def ids(self, places: np.ndarray) -> list[str]:
        """Return the ids of units."""
        found: list[str] = self.units.take(places).tolist()
        return found

    def hashes(self, places: np.ndarray) -> dict[str, str]:
        """Return the hash of the video of each of some units."""
        return dict(zip(self.ids(places), self.sha256.take(places), strict=True))

    def among(self, places: np.ndarray, unit_ids: Sequence[str]) -> np.ndarray:
        """Return those of some places whose units are named."""
        named = set(unit_ids)
        return places[[unit_id in named for unit_id in self.ids(places)]]


@dataclass(frozen=True)
class ScoreFiles:
    """The files of a suite.

    Attributes:
        suite: its name.
        shown: the videos.
        stores: by store its reader, whether it may have the scores of each video, and the units
            without a finished video there that have a file.
    """

    suite: str
    shown: Shown
    stores: Sequence[tuple[Reader, np.ndarray, list[str]]]

    @classmethod
    def of(cls, suite: str, stores: Sequence[Videos], shown: Shown) -> ScoreFiles:
        """Look for the files: once at each folder, instead of once for each unit."""
        found = []
        for store in stores:
            names = _file_stems(store.reader.paths.suite_dir(suite))
            done = np.flatnonzero(pd.Series(store.sha256).notna())
            there, unfinished = _among(shown.units, done, names)
            equal = np.asarray(pd.Series(store.sha256) == pd.Series(shown.sha256), bool)
            found.append((store.reader, there & equal, unfinished))
        return cls(suite, shown, found)

    @property
    def known(self) -> np.ndarray:
        """Flags of the units of which a store may have scores."""
        return np.any([there for _, there, _ in self.stores], axis=0)

    def path_of(self, place: int) -> Path:
        """Return the first file of a unit."""
        return self._path(next(reader for reader, there, _ in self.stores if there[place]), place)

    def read(self, places: np.ndarray) -> dict[str, UnitMetrics]:
        """Return what the first readable file of each video has, with warnings about others."""
        found: dict[str, UnitMetrics] = {}
        for place, (unit_id, sha256) in zip(
            places.tolist(), self.shown.hashes(places).items(), strict=True
        ):
            for reader, there, _ in self.stores:
                if there[place]:
                    path = reader.paths.scores_path(self.suite, unit_id)
                    unit = unit_metrics(reader, path, sha256)
                    if unit is not None:
                        found[unit_id] = unit
                        break
        return found

    def warn_of_other_infos(self, place: int, name: str) -> None:
        """Add a warning about a metric that is described in another way than before."""
        reader = next(reader for reader, there, _ in self.stores if there[place])
        text = f"describes metric {name} differently than other files."
        reader.warn(self._path(reader, place), text)

    def warn_of_unfinished(self) -> None:
        """Add a warning for each file of a unit that is not finished."""
        for reader, _, unfinished in self.stores:
            for unit_id in unfinished:
                path = reader.paths.scores_path(self.suite, unit_id)
                reader.warn(path, "no finished unit of this sweep has this id; left out.")

    def _path(self, reader: Reader, place: int) -> Path:
        return reader.paths.scores_path(self.suite, self.shown.units[place])


class Described:
    """Versions and descriptions of metrics that the files of a suite give."""

    def __init__(self) -> None:
        self._versions: dict[str, tuple[int, int]] = {}
        self._infos: list[tuple[int, dict[str, MetricInfo], np.ndarray]] = []

    def add(self, part: ScorePart, places: np.ndarray, ranks: np.ndarray) -> None:
        """Add a part, of units at some places with some ranks in the sweep."""
        for code, version in enumerate(part.versions):
            first = _first(part.of_version == code, ranks)
            met = int(ranks[first]), int(places[first])
            self._versions[version] = min(met, self._versions.get(version, met))
        for code, infos in enumerate(part.infos):
            own = part.of_infos == code
            first = _first(own, ranks)
            self._infos.append((int(ranks[first]), infos, places[own][np.argsort(ranks[own])]))

    def versions(self, files: ScoreFiles) -> dict[str, Path]:
        """Return the different versions in the order of the sweep, with a file of each."""
        met = sorted(self._versions, key=self._versions.__getitem__)
        return {version: files.path_of(self._versions[version][1]) for version in met}

    def infos(self, files: ScoreFiles) -> dict[str, MetricInfo]:
        """Return the first description of each metric, and warn of files that have others."""
        infos: dict[str, MetricInfo] = {}
        differing: list[tuple[int, list[str]]] = []
        for _, own, places in sorted(self._infos, key=lambda one: one[0]):
            others = [name for name, info in own.items() if infos.setdefault(name, info) != info]
            differing += [(place, others) for place in places.tolist() if others]
        for place, names in sorted(differing, key=lambda one: files.shown.rank[one[0]]):
            for name in names:
                files.warn_of_other_infos(place, name)
        return infos


def _first(chosen: np.ndarray, ranks: np.ndarray) -> int:
    """Return the index of the chosen line with the lowest rank."""
    indices = np.flatnonzero(chosen)
    return int(indices[np.argmin(ranks[indices])])


def _file_stems(folder: Path) -> Iterator[str]:
    """Yield the units that have a file of scores in a folder."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:  # none in a suite of another store
            if entry.name.endswith(".json"):
                yield entry.name.removesuffix(".json")


def _among(units: pd.Index, done: np.ndarray, names: Iterable[str]) -> tuple[np.ndarray, list[str]]:
    """Return which units are named, of those at some places, and the names of no such unit."""
    places = dict(zip(units.take(done), done.tolist(), strict=True))
    named = np.zeros(len(units), bool)
    others = []
    for name in names:
        if (place := places.get(name)) is None:
            others.append(name)
        else:
            named[place] = True
    return named, sorted(others)


def unit_metrics(reader: Reader, path: Path, sha256: str) -> UnitMetrics | None:
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
