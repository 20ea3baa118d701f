"""Drift curves: the means of each metric over the seconds of the videos."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eval.statistics import means_by_group
from reports.tables.curves import KEYS, Curves

POINTS = [*KEYS, "second", "mean", "stderr"]


def drift_points(curves: Curves) -> pd.DataFrame:
    """Return mean and standard error (clustered by prompt) of every curve at every clip.

    Args:
        curves: one of `reports.tables.curves.compared_curves`.

    Returns:
        `POINTS`, second being the middle of the clip and stderr NaN for one prompt, by key. A clip
        is included only if all videos of the row that have the curve reach it with a value, so that
        no line bends because videos drop out.
    """
    points = curves.points
    num_videos = points.groupby("key")["unit"].nunique().reindex(range(len(curves.keys)))
    seconds, clip = np.unique(points["second"].to_numpy(), return_inverse=True)
    known = points["value"].notna().to_numpy()
    place = points["key"].to_numpy() * len(seconds) + clip
    num_places = len(curves.keys) * len(seconds)
    found = means_by_group(
        points["value"].to_numpy()[known],
        points["prompt"].to_numpy()[known],
        place[known],
        num_places,
    )
    key, second = np.divmod(np.arange(num_places), max(1, len(seconds)))
    whole = (found.num_values > 0) & (found.num_values == num_videos.to_numpy()[key])
    lines = pd.DataFrame(
        {
            "second": seconds[second[whole]],
            "mean": found.mean[whole],
            "stderr": found.stderr[whole],
        },
        index=key[whole],
    )
    return curves.labelled(lines)
