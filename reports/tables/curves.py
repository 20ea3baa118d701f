"""Curves that tables compare, with integers in place of labels: there are millions of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.store.frames import Sweep
from reports.tables.table import Comparison

KEYS = ["suite", "metric", "backbone", "prompt_set", "method"]


@dataclass(frozen=True)
class Curves:
    """All points of the curves of the compared videos.

    Attributes:
        keys: `KEYS` of each line of a chart, in the order of the sweep.
        points: key (an index into `keys`), unit (an index into `unit_ids`), prompt (an integer),
            second (middle of the clip), end_s, value (NaN when null) and first_similarity.
        unit_ids: the units.
    """

    keys: pd.DataFrame
    points: pd.DataFrame
    unit_ids: np.ndarray


def compared_curves(sweep: Sweep, comparisons: Sequence[Comparison]) -> Curves:
    """Return the curves of the pairs that each suite's longest table compares.

    Only those take part, so all lines of a group are over the same prompts and seeds.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
    """
    units = units_compared(sweep, comparisons)
    curves = sweep.curves
    suites, unit_ids = (curves[name].cat.categories for name in ("suite", "unit_id"))
    units = units[units["suite"].isin(suites) & units["unit_id"].isin(unit_ids)]
    place, which = _join(
        curves["suite"].cat.codes.to_numpy(np.int64) * len(unit_ids)
        + curves["unit_id"].cat.codes.to_numpy(),
        _places(suites, units["suite"]) * len(unit_ids) + _places(unit_ids, units["unit_id"]),
    )
    rows = units.groupby([KEYS[0], *KEYS[2:]], sort=False, observed=True).ngroup().to_numpy()
    metrics = curves["metric"].cat.categories
    codes = rows[which] * len(metrics) + curves["metric"].cat.codes.to_numpy()[place]
    key, first = pd.factorize(codes)
    labels = units.drop_duplicates([KEYS[0], *KEYS[2:]]).reset_index(drop=True)
    keys = labels.loc[first // max(1, len(metrics))].reset_index(drop=True)
    keys = keys.assign(metric=metrics[first % max(1, len(metrics))].astype(str))
    numbers = {name: curves[name].to_numpy() for name in ("start_s", "end_s")}
    points = pd.DataFrame(
        {
            "key": key,
            "unit": curves["unit_id"].cat.codes.to_numpy()[place].astype(np.int64),
            "prompt": pd.factorize(units["prompt_id"])[0][which],
            "second": ((numbers["start_s"] + numbers["end_s"]) / 2)[place],
            "end_s": numbers["end_s"][place],
            "value": curves["value"].to_numpy()[place],
            "first_similarity": curves["first_similarity"].to_numpy()[place],
        }
    )
    return Curves(keys[KEYS], points, unit_ids.to_numpy(dtype=object))


def units_compared(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return suite, unit_id and labels of the units that each suite's longest table compares."""
    labels = ["backbone", "prompt_set", "method", "prompt_id", "seed", "unit_id"]
    units = sweep.units.loc[sweep.units["status"] == "done", labels]
    columns = (units[name] for name in labels[:5])
    names = list(zip(*columns, strict=True))
    longest = {table.suite: table for table in sorted(comparisons, key=lambda t: t.duration_s)}
    kept = []
    for suite, table in longest.items():
        wanted = {
            (row.backbone, row.prompt_set, row.method, prompt_id, seed)
            for group in table.groups
            for row in group.rows
            if row.competes
            for prompt_id, seed in group.pairs
        }
        kept.append(units[[name in wanted for name in names]].assign(suite=suite))
    empty = pd.DataFrame(columns=["suite", *labels])
    return pd.concat(kept, ignore_index=True) if kept else empty


def _places(known: pd.Index, wanted: pd.Series) -> np.ndarray:
    """Return the place of each label among those known."""
    return known.get_indexer(pd.Index(wanted)).astype(np.int64)


def _join(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of equal numbers, one of `left` and one of `right`, in the order of left.

    `right` may hold a number more than once, because a unit can belong to several rows.
    """
    order = np.argsort(right, kind="stable")
    first = np.searchsorted(right[order], left, side="left")
    counts = np.searchsorted(right[order], left, side="right") - first
    place = np.repeat(np.arange(len(left)), counts)
    behind = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place, order[first[place] + behind]
