"""The metric files of a sweep as frames: numbers per duration, and curves over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.files import Reader

SCORE_COLUMNS = ["suite", "unit_id", "duration_s", "metric", "value", "reason"]
CURVE_COLUMNS = ["suite", "unit_id", "metric", "start_s", "end_s", "value"]


@dataclass(frozen=True)
class MetricInfo:
    """What people read about a metric, as its result files state it."""

    name: str
    title: str
    direction: str
    unit: str
    description: str

    def __post_init__(self) -> None:
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction {self.direction!r}, expected higher or lower")

    @property
    def higher_is_better(self) -> bool:
        """Which way ranks go."""
        return self.direction == "higher"


@dataclass(frozen=True)
class Measured:
    """All metric files of a sweep; the frames are described at `reports.load.Sweep`."""

    scores: pd.DataFrame
    curves: pd.DataFrame
    metrics: dict[str, dict[str, MetricInfo]]
    versions: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _UnitMetrics:
    version: str
    infos: dict[str, MetricInfo]
    scores: list[tuple[float, str, float | None, str | None]]
    curves: list[tuple[str, float, float, float | None]]


def load_scores(reader: Reader, video_sha256: Mapping[str, str]) -> Measured:
    """Read metrics/<suite>/<unit_id>.json of all suites.

    Args:
        reader: collects a warning for each file that is left out.
        video_sha256: the finished units and the hash of their video. Metrics of another video under
            the same name are stale, and metrics of an unfinished unit belong to no record: both are
            left out with a warning.
    """
    scores: list[tuple[Any, ...]] = []
    curves: list[tuple[Any, ...]] = []
    metrics: dict[str, dict[str, MetricInfo]] = {}
    versions: dict[str, tuple[str, ...]] = {}
    for folder in sorted(path for path in (reader.root / "metrics").glob("*") if path.is_dir()):
        suite = folder.name
        infos: dict[str, MetricInfo] = {}
        met_versions: set[str] = set()
        for unit_id, sha256 in video_sha256.items():
            path = folder / f"{unit_id}.json"
            unit = _unit_metrics(reader, path, sha256)
            if unit is None:
                continue
            for name, info in unit.infos.items():
                if infos.setdefault(name, info) != info:
                    reader.warn(path, f"describes metric {name} differently than other files.")
            met_versions.add(unit.version)
            scores.extend((suite, unit_id, *score) for score in unit.scores)
            curves.extend((suite, unit_id, *point) for point in unit.curves)
        for path in sorted(folder.glob("*.json")):
            if path.stem not in video_sha256:
                reader.warn(path, "no finished unit of this sweep has this id; left out.")
        if len(met_versions) > 1:
            reader.warn(folder, f"mixes suite versions {', '.join(sorted(met_versions))}.")
        if infos:
            metrics[suite] = infos
            versions[suite] = tuple(sorted(met_versions))
    score_frame = pd.DataFrame(scores, columns=SCORE_COLUMNS)
    curve_frame = pd.DataFrame(curves, columns=CURVE_COLUMNS)
    for frame in (score_frame, curve_frame):
        frame["value"] = frame["value"].astype(float)
    return Measured(score_frame, curve_frame, metrics, versions)


def _unit_metrics(reader: Reader, path: Path, sha256: str) -> _UnitMetrics | None:
    """One metric file; None with a warning when it is missing, stale or not as expected."""
    if not path.is_file():
        reader.warn(path, "missing; this finished video is not evaluated.")
        return None
    content = reader.versioned(path)
    if content is None:
        return None
    try:
        if content["video_sha256"] != sha256:
            reader.warn(path, "measured another video than the one recorded; left out.")
            return None
        return _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reader.warn(path, f"not a metric file, {error!r}; left out.")
        return None


def _parse(content: Mapping[str, Any]) -> _UnitMetrics:
    infos: dict[str, MetricInfo] = {}
    scores: list[tuple[float, str, float | None, str | None]] = []
    curves: list[tuple[str, float, float, float | None]] = []
    # The clip list joins the clips of all durations; the short tail clip of a shorter duration
    # would stand as a second value at the same time.
    longest = content["durations"][max(content["durations"], key=float)]
    for name, metric in content["metrics"].items():
        infos[name] = MetricInfo(**metric["info"])
        for duration, value in metric["durations"].items():
            reason = None if value is not None else metric["reason"] or "no reason given"
            scores.append((float(duration), name, value, reason))
        if metric["curve"] is not None:
            for index in longest["clips"]:
                clip = content["clips"][index]
                curves.append((name, clip["start_s"], clip["end_s"], metric["curve"][index]))
    return _UnitMetrics(str(content["suite_version"]), infos, scores, curves)
