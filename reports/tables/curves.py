"""Curves that tables compare, with integers in place of labels: there are millions of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.store.frames import Sweep
from reports.tables.table import Comparison

KEYS = ["suite", "metric", "backbone", "prompt_set", "method"]


@dataclass(frozen=True)
class Curves:
    """All points of the curves of the compared videos of one row of a suite.

    Attributes:
        keys: `KEYS` of each line of a chart, by metric.
        places: by key what orders the lines of all rows: their first video, then their file.
        points: key (an index into `keys`), unit (an index into `looping`), prompt (an integer),
            second (middle of the clip), end_s, value (NaN when null) and first_similarity.
        looping: of `Sweep`, by unit.
    """

    keys: pd.DataFrame
    places: list[tuple[int, int]]
    points: pd.DataFrame
    looping: np.ndarray

    @property
    def suite(self) -> str:
        """The suite."""
        return str(self.keys["suite"].iloc[0])

    def labelled(self, lines: pd.DataFrame) -> pd.DataFrame:
        """Return lines whose index is the key with the labels of each, under the same index."""
        return pd.concat([self.keys.loc[lines.index], lines], axis=1)


def compared_curves(sweep: Sweep, comparisons: Sequence[Comparison]) -> Iterator[Curves]:
    """Yield the curves of the pairs that each suite's longest table compares, row by row.

    Only those take part, so all lines of a group are over the same prompts and seeds. Only the
    curves of one row are in memory.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
    """
    units = units_compared(sweep, comparisons)
    units = units.assign(place=sweep.clips.places(units["unit_id"]))
    kept = np.zeros(len(units), bool)
    for suite in sweep.clips.suites:
        own = np.flatnonzero(units["suite"] == suite)
        kept[own] = sweep.clips.have_curves(suite)[units["place"].iloc[own]]
    units = units[kept]
    # Of all rows at once, as sums over prompts are made in the order of these numbers.
    units = units.assign(prompt=pd.factorize(units["prompt_id"])[0])
    for labels, row in units.groupby([KEYS[0], *KEYS[2:]], sort=False, observed=True):
        place = sweep.clips.rank[row["place"]]
        yield _curves(
            sweep, dict(zip([KEYS[0], *KEYS[2:]], map(str, labels), strict=True)), row, place
        )


def _curves(
    sweep: Sweep, labels: Mapping[str, str], row: pd.DataFrame, place: np.ndarray
) -> Curves:
    """Return the curves of a row, whose units stand at some places in the sweep."""
    row, place = row.iloc[np.argsort(place, kind="stable")], np.sort(place, kind="stable")
    lines = sweep.clips.of(labels["suite"], row["unit_id"])
    key, first = np.unique(lines.metric, return_index=True)
    by_place = np.argsort(first)
    key, first = key[by_place], first[by_place]
    key_of = np.zeros(len(lines.metrics), np.int64)
    key_of[key] = np.arange(len(key))
    keys = pd.DataFrame(labels, index=range(len(key)))
    keys = keys.assign(metric=pd.array([lines.metrics[code] for code in key], dtype="str"))
    starts = np.searchsorted(lines.unit, lines.unit[first])
    numbers = lines.numbers
    points = pd.DataFrame(
        {
            "key": key_of[lines.metric],
            "unit": lines.unit,
            "prompt": row["prompt"].to_numpy()[lines.unit],
            "second": (numbers["start_s"] + numbers["end_s"]) / 2,
            "end_s": numbers["end_s"],
            "value": numbers["value"],
            "first_similarity": numbers["first_similarity"],
        }
    )
    places = list(zip(place[lines.unit[first]].tolist(), (first - starts).tolist(), strict=True))
    return Curves(keys[KEYS], places, points, sweep.looping[row["place"]])


def units_compared(sweep: Sweep, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return suite, unit_id and labels of the units that each suite's longest table compares."""
    labels = ["backbone", "prompt_set", "method", "prompt_id", "seed", "unit_id"]
    units = sweep.units.loc[sweep.units["status"] == "done", labels]
    longest = {table.suite: table for table in sorted(comparisons, key=lambda t: t.duration_s)}
    kept = []
    for suite, table in longest.items():
        chosen = np.zeros(len(units), bool)
        for group in table.groups:
            competing = [row.method for row in group.rows if row.competes]
            of_group = (units["backbone"] == group.backbone) & units["method"].isin(competing)
            own = np.flatnonzero(of_group & (units["prompt_set"] == group.prompt_set))
            pairs = set(group.pairs)
            columns = (units[name].iloc[own] for name in ("prompt_id", "seed"))
            chosen[own] = [pair in pairs for pair in zip(*columns, strict=True)]
        kept.append(units[chosen].assign(suite=suite))
    empty = pd.DataFrame(columns=["suite", *labels])
    return pd.concat(kept, ignore_index=True) if kept else empty
