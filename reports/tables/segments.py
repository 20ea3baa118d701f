"""Means by segment of scripts, and the triple of papers on interactive video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eval.metric import Kind
from eval.statistics import mean_and_stderr
from harness.store.frames import Sweep
from reports.tables.aggregates import AGGREGATES, aggregates
from reports.tables.curves import KEYS, units_compared
from reports.tables.table import Comparison

TRIPLE = {name: AGGREGATES[name] for name in ("quality", "consistency", "aesthetic")}
"""Quality, Consistency and Aesthetic (MemFlow issue 11): aggregates of a segment's VBench-Long."""
SEGMENTS = [*KEYS, "segment", "start_s", "num_videos", "mean", "stderr"]


def segment_means(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return the mean of each row and metric over each segment, and the triple.

    Returns:
        `SEGMENTS`; start_s is the earliest start of the segment in the scripts, num_videos those
        that have a value there, stderr by prompt. `TRIPLE` is computed from the means of a suite of
        VBench-Long's dimensions, of its clip scores, because clips of several segments are not
        fused; it has no stderr.
    """
    lines = sweep.segments.astype({"suite": str, "metric": str})
    lines = lines.merge(units_compared(sweep, comparisons), on=["suite", "unit_id"])
    lines = lines[lines["value"].notna()]
    found = []
    for labels, row in lines.groupby([*KEYS, "segment"], sort=False):
        mean = mean_and_stderr(row["value"].tolist(), row["prompt_id"].tolist())
        numbers = (row["start_s"].min(), len(row), mean.mean, mean.stderr)
        found.append(dict(zip(SEGMENTS, (*labels, *numbers), strict=True)))
    kinds = {table.suite: table.kind for table in comparisons}
    means = pd.DataFrame(found, columns=SEGMENTS)
    of_vbench = means[means["suite"].map(kinds) == Kind.vbench_long]
    return pd.DataFrame([*found, *_triples(of_vbench)], columns=SEGMENTS)


def _triples(means: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the lines of the triple, where all its dimensions are there."""
    labels = [*(key for key in KEYS if key != "metric"), "segment", "start_s"]
    for values, row in means.groupby(labels, sort=False):
        scores = dict(zip(row["metric"], row["mean"], strict=True))
        found = aggregates({"": scores})[""]
        for name in TRIPLE:
            if (value := found[name]) is not None:
                count = int(row["num_videos"].min())
                line = dict(zip(labels, values, strict=True))
                yield line | {"metric": name, "num_videos": count, "mean": value, "stderr": np.nan}
