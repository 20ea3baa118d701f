"""Drift curves: the means of each metric over the seconds of the videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.store.frames import Sweep
from reports.tables.table import Comparison

KEYS = ["suite", "metric", "backbone", "prompt_set", "method"]
POINT = [*KEYS, "second"]


def drift_points(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return mean and standard error (clustered by prompt) of every curve at every clip.

    Only the pairs that the tables compare take part, so all lines of a group are over the same
    prompts and seeds.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables; the pairs are those of each suite's longest duration.

    Returns:
        `KEYS`, second (middle of the clip), mean, stderr (NaN for one prompt). A clip is included
        only if all videos of the row that have the curve reach it with a value, so that no line
        bends because videos drop out.
    """
    units = compared_units(sweep, comparisons)
    curves = sweep.curves.astype({"suite": str, "metric": str, "unit_id": str})
    curves = curves.merge(units, on=["suite", "unit_id"])
    if curves.empty:
        return pd.DataFrame(columns=[*POINT, "mean", "stderr"])
    curves["second"] = (curves["start_s"] + curves["end_s"]) / 2
    num_videos = curves.groupby(KEYS, sort=False)["unit_id"].nunique().rename("num_videos")
    known = curves[curves["value"].notna()]
    prompts = known.groupby([*POINT, "prompt_id"], sort=False)["value"].agg(["sum", "count"])
    prompts = prompts.reset_index()
    of_clip = prompts.groupby(POINT, sort=False)
    clips = of_clip.agg(total=("sum", "sum"), count=("count", "sum"), clusters=("sum", "size"))
    clips["mean"] = clips["total"] / clips["count"]
    # The clustered standard error of eval.statistics.mean_and_stderr, vectorised over all points:
    # one call per point takes minutes for thousands of curves.
    joined = prompts.join(clips["mean"], on=POINT)
    prompts["squared"] = (joined["sum"] - joined["count"] * joined["mean"]) ** 2
    squared = prompts.groupby(POINT, sort=False)["squared"].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        shrink = clips["clusters"] / (clips["clusters"] - 1)
        clips["stderr"] = np.sqrt(shrink * squared) / clips["count"]
    clips.loc[clips["clusters"] < 2, "stderr"] = np.nan
    clips = clips.join(num_videos, on=KEYS)
    whole = clips[clips["count"] == clips["num_videos"]].reset_index()
    points = whole[[*POINT, "mean", "stderr"]].astype({"mean": float, "stderr": float})
    order = {key: position for position, key in enumerate(num_videos.index)}
    rank = [order[key] for key in points[KEYS].itertuples(index=False, name=None)]
    return points.assign(rank=rank).sort_values(["rank", "second"]).drop(columns="rank")


def compared_units(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return suite, unit_id and labels of the units that each suite's longest table compares."""
    labels = ["backbone", "prompt_set", "method", "prompt_id", "seed", "unit_id"]
    units = sweep.units.loc[sweep.units["status"] == "done", labels]
    longest = {table.suite: table for table in sorted(comparisons, key=lambda t: t.duration_s)}
    kept = []
    for suite, table in longest.items():
        wanted = pd.DataFrame(
            [
                (suite, row.backbone, row.prompt_set, row.method, prompt_id, seed)
                for group in table.groups
                for row in group.rows
                if row.competes
                for prompt_id, seed in group.pairs
            ],
            columns=["suite", *labels[:5]],
        )
        kept.append(wanted.merge(units, on=labels[:5]))
    empty = pd.DataFrame(columns=["suite", *labels])
    return pd.concat(kept, ignore_index=True) if kept else empty
