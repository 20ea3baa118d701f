"""The scores of one video: the file metrics/<suite>/<unit_id>.json of a run store."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.metric import MetricInfo

SCHEMA = 1


@dataclass(frozen=True)
class ScoredClip:
    """One clip: frames and seconds, the end not included, and sha256 of its RGB bytes."""

    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    sha256: str


@dataclass(frozen=True)
class ScoredDuration:
    """One duration: the frames it has from the start, and its clips as indices into `clips`."""

    num_frames: int
    clips: tuple[int, ...]


@dataclass(frozen=True)
class ScoredMetric:
    """What one metric gave.

    Attributes:
        info: what the metric is.
        reason: why values are missing; None when all are there.
        clip_scores: one per clip, or None when the metric could not be computed.
        curve: one value per clip for the drift curve, or None likewise.
        durations: the number of each duration, or None.
    """

    info: MetricInfo
    reason: str | None
    clip_scores: tuple[float, ...] | None
    curve: tuple[float, ...] | None
    durations: Mapping[str, float | None]


@dataclass(frozen=True)
class Scores:
    """All scores of one video by one suite.

    Attributes:
        fps: frames per second, rounded down as for the clip split.
        not_set_up: metrics that are null because something wasn't installed, as the suite names
            them; worth another try once it is.
        clips: union of the clips of all durations, by start and end.
        timings_s: "decode" (with hashing), and measuring and combining by metric.
    """

    schema: int
    suite: str
    suite_version: str
    unit_id: str
    video_sha256: str
    prompt: str
    fps: int
    clips: tuple[ScoredClip, ...]
    durations: Mapping[str, ScoredDuration]
    metrics: Mapping[str, ScoredMetric]
    not_set_up: tuple[str, ...]
    timings_s: Mapping[str, float]


def write_scores(path: Path, scores: Scores) -> None:
    """Write scores as JSON: readers see the old file or the whole new one, never a part."""
    text = json.dumps(asdict(scores), ensure_ascii=False, indent=1, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise
