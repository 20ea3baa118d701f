"""Drift as papers report it: the last seconds against the first, and means by interval.

Both are made of the curves that every suite keeps, over the videos that the tables compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pandas.core.groupby import SeriesGroupBy

from eval.statistics import mean_and_stderr
from harness.store.frames import Sweep
from reports.tables.drift import KEYS, compared_units
from reports.tables.table import Comparison

END_S = 5.0
"""Seconds at the beginning and at the end that are compared."""
INTERVAL_S = 10.0
"""Seconds of an interval."""
ENDS = [
    *(*KEYS, "num_videos", "num_looping", "num_looping_of"),
    *("first", "last", "change", "change_stderr"),
]
INTERVALS = [*KEYS, "start_s", "end_s", "num_videos", "mean", "stderr", "first_similarity"]


def drift_ends(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return how each row ends, against how it begins.

    Returns:
        `ENDS` and last_similarity, a line per row and metric: means of the curve over the clips
        whose middle lies in the first and in the last `END_S` seconds, their difference with its
        standard error by prompt, and the similarity of the last clips' features to the first
        clip's. num_looping counts the videos that return to their first frame, of the
        num_looping_of videos of which that is known; it is null where it is known of none. Videos
        shorter than two ends are left out.
    """
    curves = _curves(sweep, comparisons)
    ends = curves.groupby(["suite", "unit_id"])["end_s"].transform("max")
    long_enough = ends >= 2 * END_S
    first = curves[long_enough & (curves["second"] < END_S)]
    last = curves[long_enough & (curves["second"] > ends - END_S)]
    videos = [*KEYS, "prompt_id", "unit_id"]
    joined = pd.concat(
        {
            "first": _whole(first.groupby(videos, sort=False)["value"]),
            "last": _whole(last.groupby(videos, sort=False)["value"]),
            "last_similarity": last.groupby(videos, sort=False)["first_similarity"].mean(),
        },
        axis=1,
    ).dropna(subset=["first", "last"])
    looping: dict[str, bool] = {}
    for (unit_id, _), flag in sweep.looping.items():
        looping[unit_id] = looping.get(unit_id, False) or flag
    unit_ids = joined.index.get_level_values("unit_id")
    joined["looping"] = pd.array([looping.get(unit_id) for unit_id in unit_ids], dtype="boolean")

    def line(row: pd.DataFrame) -> dict[str, object]:
        prompts = row.index.get_level_values("prompt_id").tolist()
        change = mean_and_stderr((row["last"] - row["first"]).tolist(), prompts)
        known = row["looping"].dropna()
        return {
            "num_videos": len(row),
            "num_looping": int(known.sum()) if len(known) else None,
            "num_looping_of": len(known),
            "first": row["first"].mean(),
            "last": row["last"].mean(),
            "change": change.mean,
            "change_stderr": change.stderr,
            "last_similarity": row["last_similarity"].mean(),
        }

    lines = _lines(joined, KEYS, line, [*ENDS, "last_similarity"])
    return lines.astype({"num_looping": "Int64"})


def drift_intervals(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return the mean of each row and metric by intervals of `INTERVAL_S` seconds.

    Returns:
        `INTERVALS`; a clip belongs to the interval of its middle, stderr is by prompt, and
        first_similarity is that of the clips' features to the first clip's.
    """
    curves = _curves(sweep, comparisons)
    start_s = np.floor(curves["second"] / INTERVAL_S) * INTERVAL_S
    curves = curves.assign(interval_s=start_s.astype(float))
    videos = curves.groupby([*KEYS, "interval_s", "prompt_id", "unit_id"], sort=False)
    joined = pd.concat(
        {
            "value": _whole(videos["value"]),
            "first_similarity": videos["first_similarity"].mean(),
            "end_s": videos["end_s"].max(),
        },
        axis=1,
    ).dropna(subset="value")

    def line(row: pd.DataFrame) -> dict[str, object]:
        prompts = row.index.get_level_values("prompt_id").tolist()
        mean = mean_and_stderr(row["value"].tolist(), prompts)
        start = float(row.index.get_level_values("interval_s")[0])
        return {
            "start_s": start,
            "end_s": min(start + INTERVAL_S, float(row["end_s"].max())),
            "num_videos": len(row),
            "mean": mean.mean,
            "stderr": mean.stderr,
            "first_similarity": row["first_similarity"].mean(),
        }

    return _lines(joined, [*KEYS, "interval_s"], line, INTERVALS)


def _curves(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    curves = sweep.curves.astype({"suite": str, "metric": str, "unit_id": str})
    curves = curves.merge(compared_units(sweep, comparisons), on=["suite", "unit_id"])
    return curves.assign(second=(curves["start_s"] + curves["end_s"]) / 2)


def _whole(groups: SeriesGroupBy) -> pd.Series:
    """Return the mean of each group; NaN if one of its clips has no value."""
    return groups.mean().where(groups.count() == groups.size())


def _lines(
    videos: pd.DataFrame,
    keys: list[str],
    line: Callable[[pd.DataFrame], dict[str, object]],
    columns: list[str],
) -> pd.DataFrame:
    lines = []
    if len(videos):
        for labels, row in videos.groupby(level=keys, sort=False):
            lines.append(dict(zip(KEYS, labels, strict=False)) | line(row))
    return pd.DataFrame(lines, columns=columns)
