"""Recall curves: a metric against the seconds since something was first in view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eval.statistics import (
    MIN_CLUSTERS,
    bootstrap_t,
    cluster_sums,
    mean_and_stderr,
    no_interval,
)
from harness.store.frames import Sweep
from reports.tables.formatting import bounds
from reports.tables.table import Comparison, Group, Pair

COLUMNS = [
    *("suite", "duration_s", "metric", "backbone", "prompt_set", "method"),
    *("age_s", "from_s", "to_s", "mean", "stderr", "low", "high", "no_interval"),
    *("num_prompts", "num_videos"),
]
_Key = tuple[Pair, float]  # a video and an age


def recall_points(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return mean and interval of each row at each age, for every metric with parts by age.

    Of each suite the longest duration counts, and in it the pairs that its table compares; all
    lines of a group are over the same videos and ages. Streets have laps of several lengths, so an
    age is known for some prompts only: neighbouring ages are pooled until a point has the prompts
    that an interval needs. With fewer prompts in all, every age stands alone and has none. At one
    age the methods share their videos, but other ages are partly of other prompts: lines can be
    compared with each other, heights along a line cannot.

    Returns:
        `COLUMNS`: age_s is the mean over the pooled ages from_s to to_s; low and high are the 95 %
        bootstrap-t interval over prompts, NaN with the reason in no_interval.
    """
    lines: list[dict[str, Any]] = []
    longest = {table.suite: table for table in sorted(comparisons, key=lambda t: t.duration_s)}
    for table in longest.values():
        ages = sweep.ages
        of_table = ages[(ages["suite"] == table.suite) & (ages["duration_s"] == table.duration_s)]
        for group in table.groups if len(of_table) else ():
            labelled = of_table.merge(compared_units(sweep, group), on="unit_id")
            for info in table.metrics:
                values = _values(labelled[labelled["metric"] == info.name], group, info.name)
                labels = {
                    "suite": table.suite,
                    "duration_s": table.duration_s,
                    "metric": info.name,
                    "backbone": group.backbone,
                    "prompt_set": group.prompt_set,
                }
                lines += [{**labels, **point} for point in _points(values)]
    return pd.DataFrame(lines, columns=COLUMNS)


def compared_units(sweep: Sweep, group: Group) -> pd.DataFrame:
    """Return unit_id, method, prompt_id and seed of the videos that a group compares."""
    units = sweep.units
    own = (units["backbone"] == group.backbone) & (units["prompt_set"] == group.prompt_set)
    kept = units.loc[own, ["unit_id", "method", "prompt_id", "seed"]]
    return kept.merge(pd.DataFrame(group.pairs, columns=["prompt_id", "seed"]))


def _values(lines: pd.DataFrame, group: Group, metric: str) -> dict[str, dict[_Key, float]]:
    """Return by method the values of the videos and ages that all compared methods have."""
    found: dict[str, dict[_Key, float]] = {
        row.method: {} for row in group.rows if row.competes and row.cells[metric].mean is not None
    }
    columns = ("method", "prompt_id", "seed", "age_s", "value")
    for method, prompt_id, seed, age_s, value in zip(*(lines[c] for c in columns), strict=True):
        if method in found:
            found[method][(prompt_id, seed), age_s] = value
    common = set.intersection(*map(set, found.values())) if found else set()
    return {
        method: {key: values[key] for key in sorted(common)} for method, values in found.items()
    }


def _points(values: Mapping[str, Mapping[_Key, float]]) -> Iterator[dict[str, Any]]:
    keys = list(next(iter(values.values()), {}))
    for pool in _pools(keys):
        chosen = [key for key in keys if key[1] in pool]
        prompts = [prompt_id for (prompt_id, _), _ in chosen]
        numbers = {method: [of[key] for key in chosen] for method, of in values.items()}
        sums = [cluster_sums(of, prompts) for of in numbers.values()]
        sums_GM, counts_G = np.stack([sums_G for sums_G, _ in sums], axis=1), sums[0][1]
        intervals, reasons = bootstrap_t(sums_GM, counts_G), no_interval(sums_GM, counts_G)
        for (method, of), interval, reason in zip(numbers.items(), intervals, reasons, strict=True):
            estimate = mean_and_stderr(of, prompts)
            low, high = bounds(interval)
            yield {
                "method": method,
                "age_s": float(np.mean([age_s for _, age_s in chosen])),
                "from_s": pool[0],
                "to_s": pool[-1],
                "mean": estimate.mean,
                "stderr": estimate.stderr,
                "low": low,
                "high": high,
                "no_interval": reason,
                "num_prompts": estimate.num_clusters,
                "num_videos": len({pair for pair, _ in chosen}),
            }


def _pools(keys: Sequence[_Key]) -> list[list[float]]:
    """Return the ages, neighbours joined until each has enough prompts for an interval."""
    prompts: dict[float, set[str]] = {}
    for (prompt_id, _), age_s in keys:
        prompts.setdefault(age_s, set()).add(prompt_id)
    ages = sorted(prompts)
    if len(set[str]().union(*prompts.values())) < MIN_CLUSTERS:
        return [[age_s] for age_s in ages]
    pools: list[list[float]] = [[]]
    for age_s in ages:
        if len(_prompts_of(pools[-1], prompts)) >= MIN_CLUSTERS:
            pools.append([])
        pools[-1].append(age_s)
    if len(pools) > 1 and len(_prompts_of(pools[-1], prompts)) < MIN_CLUSTERS:
        pools[-2:] = [pools[-2] + pools[-1]]
    return pools


def _prompts_of(ages: Sequence[float], prompts: Mapping[float, set[str]]) -> set[str]:
    return set[str]().union(*(prompts[age_s] for age_s in ages))
