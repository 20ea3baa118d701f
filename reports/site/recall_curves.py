"""Recall curves as the page reads them."""

from __future__ import annotations

import pandas as pd

from reports.site import schema
from reports.site.data_files import short

_LINE = ["metric", "backbone", "prompt_set", "method"]
_NUMBERS = ("age_s", "from_s", "to_s", "mean", "low", "high", "stderr")


def recall_curves(points: pd.DataFrame) -> dict[str, list[schema.RecallCurve]]:
    """Return by metric a curve per row, from the points of one suite."""
    curves: dict[str, list[schema.RecallCurve]] = {}
    for labels, line in points.groupby(_LINE, sort=False):
        metric, backbone, prompt_set, method = map(str, labels)
        columns = schema.RecallPoints(
            **{name: [short(value, 5) for value in line[name]] for name in _NUMBERS},
            no_interval=[None if pd.isna(text) else str(text) for text in line["no_interval"]],
            num_prompts=line["num_prompts"].astype(int).tolist(),
            num_videos=line["num_videos"].astype(int).tolist(),
        )
        curve = schema.RecallCurve(backbone, prompt_set, method, columns)
        curves.setdefault(metric, []).append(curve)
    return curves
