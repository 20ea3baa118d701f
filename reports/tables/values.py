"""The numbers behind one table, as arrays: a line per unit, a column per metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from harness.store.columns import index_of, places
from harness.store.frames import Sweep


@dataclass(frozen=True)
class TableValues:
    """The scores of one suite and duration, by the places of units in `units`.

    Attributes:
        units: all units of the sweep.
        metrics: those that have a line.
        values_UM: the values; NaN where one is null or missing.
        reasons: why values are null.
        reason_UM: index into `reasons`; -1 for none.
        is_scored_U: whether the video is evaluated and moves.
        is_frozen_U: whether it is evaluated and stands still.
    """

    units: pd.Index
    metrics: tuple[MetricInfo, ...]
    values_UM: np.ndarray
    reasons: tuple[str, ...]
    reason_UM: np.ndarray
    is_scored_U: np.ndarray
    is_frozen_U: np.ndarray

    @classmethod
    def of(cls, sweep: Sweep, suite: str, duration_s: float) -> TableValues:
        """Return the numbers of one table."""
        units = index_of(sweep.units["unit_id"])
        scores = sweep.scores
        chosen = (scores["suite"] == suite) & (scores["duration_s"] == duration_s)
        scores = scores[["unit_id", "metric", "value", "reason", "frozen"]][chosen]
        met = pd.Categorical(scores["metric"])
        known = set(met.categories[np.unique(met.codes)])
        metrics = tuple(info for name, info in sweep.metrics[suite].items() if name in known)
        columns = {info.name: column for column, info in enumerate(metrics)}
        column = np.array([columns.get(name, -1) for name in met.categories], int)[met.codes]
        unit = places(scores["unit_id"], units)
        shown = (unit >= 0) & (column >= 0)
        moving = shown & ~scores["frozen"].to_numpy(bool)
        value = scores["value"].to_numpy()
        values_UM = np.full((len(units), len(metrics)), np.nan)
        values_UM[unit[shown], column[shown]] = value[shown]
        reasons = pd.Categorical(scores["reason"])
        reason_UM = np.full(values_UM.shape, -1, reasons.codes.dtype)
        null = shown & (reasons.codes >= 0)
        reason_UM[unit[null], column[null]] = reasons.codes[null]
        is_scored_U, is_frozen_U = np.zeros((2, len(units)), bool)
        is_scored_U[unit[moving]] = True
        is_frozen_U[unit[shown & ~moving]] = True
        texts = tuple(map(str, reasons.categories))
        return cls(units, metrics, values_UM, texts, reason_UM, is_scored_U, is_frozen_U)
