"""The metric files of a sweep as frames: numbers per duration, and curves over time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from harness.core.errors import StoreError
from harness.store.clips import ClipPart, Clips
from harness.store.files import Reader
from harness.store.score_files import Described, ScoreFiles, Shown, Videos
from harness.store.score_lines import ScoreLines, UnitLines
from harness.store.score_parts import (
    CurvePart,
    KeptParts,
    Parts,
    ScorePart,
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
    looping: np.ndarray


def load_scores(
    stores: Sequence[Videos],
    units: pd.CategoricalDtype,
    rows: Iterable[np.ndarray] = (),
    kept: KeptParts | None = None,
) -> Measured:
    """Read the score files of all suites of all stores.

    Args:
        stores: per run store its videos. Metrics of another video and metrics of an unfinished unit
            are left out with a warning. If several stores hold a unit, the video of the first one
            counts, with the first metric file that measured it.
        units: the units of all stores as categories; the following names them by their places.
        rows: units that are read and kept together.
        kept: what the last report kept of them; None reads every file.

    Raises:
        StoreError: a suite was scored with different versions.
    """
    shown = Shown.of(stores, units.categories)
    parts = _in_parts(rows, shown)
    scores = ScoreLines()
    clips: list[ClipPart] = []
    ages, segments = UnitLines(AGE_COLUMNS), UnitLines(SEGMENT_COLUMNS)
    metrics: dict[str, dict[str, MetricInfo]] = {}
    versions: dict[str, tuple[str, ...]] = {}
    frozen: set[tuple[str, float]] = set()
    looping = np.full(len(shown.units), -1, np.int8)
    for suite in sorted({name for store in stores for name in store.reader.paths.suites()}):
        files = ScoreFiles.of(suite, stores, shown)
        described = Described()
        for places in parts:
            part, curves = _part(files, places, kept)
            read = places if len(part.units) == len(places) else shown.among(places, part.units)
            scores.add(suite, part, read)
            clips.append(ClipPart(suite, read, part.num_clips, curves))
            described.add(part, read, shown.rank[read])
            number = dict(zip(part.units, shown.rank[read].tolist(), strict=True))
            for unit_id, unit_ages in part.ages.items():
                ages.add(suite, number[unit_id], unit_ages)
            for unit_id, unit_segments in part.segments.items():
                segments.add(suite, number[unit_id], unit_segments)
            for unit_id, durations_s in part.frozen.items():
                frozen.update((unit_id, duration_s) for duration_s in durations_s)
            for unit_id, flags in part.looping.items():
                place = shown.order[number[unit_id]]
                looping[place] = max(looping[place], *flags.values())
        infos = described.infos(files)
        missing = shown.ids(shown.order[~files.known[shown.order]])
        _warn_of_missing(stores[0].reader, suite, missing)
        files.warn_of_unfinished()
        met_versions = described.versions(files)
        _refuse_mixed(suite, met_versions)
        if infos:
            metrics[suite] = infos
            versions[suite] = tuple(met_versions)
    return Measured(
        scores=scores.frame(units, shown.rank, frozen),
        clips=Clips(tuple(clips), shown.units, shown.order),
        ages=ages.frame(units, shown.order),
        segments=segments.frame(units, shown.order).astype({"segment": int}),
        metrics=metrics,
        versions=versions,
        frozen=frozenset(frozen),
        looping=looping,
    )


def _in_parts(rows: Iterable[np.ndarray], shown: Shown) -> list[np.ndarray]:
    """Return the places of the units that are read together.

    Where a part ends depends on its last unit alone, so a unit that is new moves no other part.
    """
    parts: list[np.ndarray] = []
    left = shown.rank >= 0
    for row in rows:
        own = row[left[row]]
        left[own] = False
        parts += _pieces(own, shown)
    return parts + _pieces(shown.order[left[shown.order]], shown)


def _pieces(places: np.ndarray, shown: Shown) -> list[np.ndarray]:
    ends = [zlib.crc32(unit_id.encode()) % _PART_UNITS == 0 for unit_id in shown.ids(places)]
    return [part for part in np.split(places, np.flatnonzero(ends) + 1) if len(part)]


def _part(
    files: ScoreFiles, places: np.ndarray, kept: KeptParts | None
) -> tuple[ScorePart, Callable[[], CurvePart]]:
    """Return what is kept of some units, or read their files."""

    def made() -> Parts:
        found = files.read(places)
        return ScorePart.of(found), CurvePart.of(found)

    if kept is None:
        scores, curves = made()
        return scores, lambda: curves
    hashes = files.shown.hashes(places)
    key = kept.key(files.suite, hashes)
    known = kept.scores(key)
    if known is None:
        kept.add(key, parts := made())
        known = parts[0]
    elif len(known.units) < len(places):
        # Files that could not be read: a warning each time, until they can be.
        readable = set(known.units)
        unread = np.array([unit_id not in readable for unit_id in hashes])
        if files.read(places[unread]):
            kept.add(key, parts := made())
            known = parts[0]
    return known, lambda: kept.curves(key, made)


def _refuse_mixed(suite: str, versions: dict[str, Path]) -> None:
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
