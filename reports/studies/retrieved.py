"""Measures of the retrieved frames of a video, from its trace instead of its pixels."""

from __future__ import annotations

from statistics import fmean

import pandas as pd

from eval.metric import Direction, MetricInfo
from eval.retrieval.measures import redundancy
from harness.store.frames import Sweep, as_dicts
from harness.store.trace import load_blocks

RETRIEVED = (
    MetricInfo(
        "retrieved_duplicates",
        "Retrieved duplicates",
        Direction.lower,
        "share",
        "Retrieved frames with another retrieved one within 3 latents.",
    ),
    MetricInfo(
        "retrieved_spread",
        "Spread of retrieved frames",
        Direction.higher,
        "latents",
        "Mean distance in time of two frames retrieved together.",
    ),
    MetricInfo(
        "retrieved_coverage",
        "Coverage",
        Direction.higher,
        "share",
        "Share of the video's frames that were ever retrieved.",
    ),
)


def retrieved_measures(sweep: Sweep) -> tuple[pd.DataFrame, tuple[MetricInfo, ...]]:
    """Compute the measures of every finished unit that retrieved something.

    Returns:
        Lines of unit_id, metric, value; and the description of the metrics.
    """
    done = sweep.units[sweep.units["status"] == "done"].drop_duplicates("unit_id")
    lines: list[tuple[str, str, float]] = []
    for unit in as_dicts(done):
        memories = [block.frames for block in load_blocks(sweep.folder, unit)]
        together = [redundancy(memory) for memory in memories if len(memory) > 1]
        if not together:
            continue
        taken = {frame for memory in memories for frame in memory}
        values = (
            fmean(float(r["duplicates"] or 0) for r in together),
            fmean(float(r["spread_latents"] or 0) for r in together),
            len(taken) / unit["num_latents"],
        )
        lines += [
            (unit["unit_id"], info.name, v) for info, v in zip(RETRIEVED, values, strict=True)
        ]
    return pd.DataFrame(lines, columns=["unit_id", "metric", "value"]), RETRIEVED
