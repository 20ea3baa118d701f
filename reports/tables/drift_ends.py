"""Drift as papers report it: the last seconds against the first, and means by interval.

Both are made of the curves that every suite keeps, over the videos that the tables compare.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from eval.statistics import means_by_group
from reports.tables.curves import KEYS, Curves

END_S = 5.0
"""Seconds at the beginning and at the end that are compared."""
INTERVAL_S = 10.0
"""Seconds of an interval."""
ENDS = [
    *(*KEYS, "num_videos", "num_looping", "num_looping_of"),
    *("first", "last", "change", "change_stderr", "last_similarity"),
]
INTERVALS = [*KEYS, "start_s", "end_s", "num_videos", "mean", "stderr", "first_similarity"]


def drift_ends(curves: Curves) -> pd.DataFrame:
    """Return how each row ends, against how it begins.

    Args:
        curves: one of `reports.tables.curves.compared_curves`.

    Returns:
        `ENDS`, a line per metric: means of the curve over the clips whose middle lies in the first
        and in the last `END_S` seconds, their difference with its standard error by prompt, and the
        similarity of the last clips' features to the first clip's. num_looping counts the videos
        that return to their first frame, of the num_looping_of videos of which that is known; it is
        null where it is known of none. Videos shorter than two ends are left out.
    """
    points = curves.points
    end_s = points["end_s"].groupby(points["unit"]).transform("max")
    long_enough = end_s >= 2 * END_S
    first = _videos(points[long_enough & (points["second"] < END_S)])
    last = _videos(points[long_enough & (points["second"] > end_s - END_S)])
    both = first.join(last.add_suffix("_last"), how="inner").dropna(subset=["value", "value_last"])
    flags = curves.looping[both.index.get_level_values("unit")]
    both["looping"] = pd.arrays.BooleanArray(flags == 1, flags < 0)
    key, prompts = both.index.get_level_values("key").to_numpy(), both["prompt"].to_numpy()
    change = both["value_last"] - both["value"]
    found = means_by_group(change.to_numpy(), prompts, key, len(curves.keys))
    rows = both.groupby("key")
    lines = rows[["value", "value_last", "first_similarity_last"]].mean()
    lines.columns = pd.Index(["first", "last", "last_similarity"])
    num_known = rows["looping"].count()
    lines = lines.assign(
        num_videos=rows.size(),
        num_looping=rows["looping"].sum().astype("Int64").where(num_known > 0),
        num_looping_of=num_known,
        change=found.mean[lines.index],
        change_stderr=found.stderr[lines.index],
    )
    return curves.labelled(lines)[ENDS]


def drift_intervals(curves: Curves) -> pd.DataFrame:
    """Return the mean of each row and metric by intervals of `INTERVAL_S` seconds.

    Args:
        curves: one of `reports.tables.curves.compared_curves`.

    Returns:
        `INTERVALS`; a clip belongs to the interval of its middle, stderr is by prompt, and
        first_similarity is that of the clips' features to the first clip's.
    """
    number = np.floor(curves.points["second"] / INTERVAL_S).astype(int)
    span = int(number.max()) + 1 if len(number) else 1
    key = curves.points["key"]
    videos = _videos(curves.points.assign(key=_codes(key, number))).dropna(subset="value")
    code = videos.index.get_level_values("key").to_numpy()
    prompts, values = (videos[name].to_numpy() for name in ("prompt", "value"))
    found = means_by_group(values, prompts, code, len(curves.keys) * span)
    rows = videos.groupby("key")
    lines = rows["first_similarity"].mean().to_frame()
    start_s = lines.index.to_numpy() % span * INTERVAL_S
    lines = lines.assign(
        start_s=start_s,
        end_s=np.minimum(start_s + INTERVAL_S, rows["end_s"].max()),
        num_videos=rows.size(),
        mean=found.mean[lines.index],
        stderr=found.stderr[lines.index],
    )
    lines.index = lines.index // span
    return curves.labelled(lines)[INTERVALS]


def _codes(major: pd.Series | np.ndarray, minor: pd.Series) -> np.ndarray:
    """Return an integer for each pair of two integers, in their order."""
    span = int(minor.max()) + 1 if len(minor) else 1
    return np.asarray(major) * span + minor.to_numpy()


def _videos(points: pd.DataFrame) -> pd.DataFrame:
    """Return by key and unit the prompt, means over the clips, and the end of the last clip.

    The mean is NaN if one of the clips has no value; that of similarities is of those known.
    """
    groups = points.groupby(["key", "unit"])
    value = groups["value"]
    return pd.DataFrame(
        {
            "prompt": groups["prompt"].first(),
            "value": value.mean().where(value.count() == value.size()),
            "first_similarity": groups["first_similarity"].mean(),
            "end_s": groups["end_s"].max(),
        }
    )
