"""The comparison of all rows of a sweep: one table per suite and duration.

A row is a backbone with a method on a prompt set. Rows of one backbone and prompt set form a group:
methods compete within it, as in the tables of LongLive-RAG. All numbers of a group are over the
same (prompt, seed) pairs, those that every competing row has, so that no mean differs by its
prompts. Videos that stand still count as absent: they would win every consistency.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.errors import unknown_name
from harness.store.frames import ROW, Sweep, as_dicts
from reports.tables.competitor import Competitor
from reports.tables.marks import mark_table
from reports.tables.rating import RatedGroup, rate_group
from reports.tables.table import Comparison, Row

_NEEDED = ["unit_id", "prompt_id", "seed", "reason"]


def compare_all(sweep: Sweep, baseline: str | None = None) -> list[Comparison]:
    """Build the tables of every suite and duration that has a number or a reason, in that order.

    Raises:
        UnknownName: no method is called `baseline`.
    """
    found = sweep.scores[["suite", "duration_s"]].drop_duplicates()
    found = found.sort_values(["suite", "duration_s"])
    return [
        compare(sweep, suite, duration_s, baseline)
        for suite, duration_s in found.itertuples(index=False)
    ]


def compare(sweep: Sweep, suite: str, duration_s: float, baseline: str | None = None) -> Comparison:
    """Build the table of one suite and duration.

    Args:
        sweep: the loaded run stores.
        suite: its name.
        duration_s: which of the scored durations.
        baseline: the method to compare with; `reports.tables.rating.BASELINE` where it takes part,
            else the first.

    Raises:
        UnknownName: no method is called `baseline`.
    """
    if baseline is not None and baseline not in sweep.methods:
        raise unknown_name("baseline method", baseline, sweep.methods)
    chosen = sweep.scores[
        (sweep.scores["suite"] == suite) & (sweep.scores["duration_s"] == duration_s)
    ]
    met = set(chosen["metric"])
    metrics = tuple(info for name, info in sweep.metrics[suite].items() if name in met)
    values = _values(chosen[~chosen["frozen"]])
    frozen = set(chosen.loc[chosen["frozen"], "unit_id"])
    reasons = _reasons(chosen)
    # Looked up once for all rows: `isin` per row takes time with the square of the sweep.
    ids, frames_per_s = sweep.units["unit_id"].tolist(), _frames_per_s(sweep)
    all_units = sweep.units.assign(
        is_scored=[unit_id in values or unit_id in frozen for unit_id in ids],
        is_frozen=[unit_id in frozen for unit_id in ids],
        frames_per_s=[frames_per_s.get(unit_id, np.nan) for unit_id in ids],
    )
    rated: list[RatedGroup] = []
    for (backbone, prompt_set), units in all_units.groupby(["backbone", "prompt_set"], sort=False):
        competitors = []
        for method, of_row in units.groupby("method", sort=False):
            done = of_row[of_row["is_scored"]]
            row = Row(
                backbone=str(backbone),
                method=str(method),
                prompt_set=str(prompt_set),
                num_prompts=done["prompt_id"].nunique(),
                num_videos=len(done),
                num_planned=len(of_row),
                num_frozen=int(done["is_frozen"].sum()),
                frames_per_s=_number(done["frames_per_s"].mean()),
                settings=tuple(
                    sorted(set(done.loc[done["frames_per_s"].notna(), "setting"].dropna()))
                ),
                peak_device_mib=_number(done["peak_device_mib"].max()),
                peak_host_mib=_number(done["peak_host_mib"].max()),
            )
            units_of_row = as_dicts(of_row[_NEEDED])
            competitors.append(Competitor.of(row, units_of_row, values, metrics, reasons, frozen))
        rated.append(rate_group(str(backbone), str(prompt_set), competitors, metrics, baseline))
    version = sweep.versions[suite][0]
    return Comparison(suite, version, duration_s, metrics, mark_table(rated))


def _values(scores: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return by unit the value of each metric; None where it is null."""
    values: dict[str, dict[str, float | None]] = {}
    # As objects at once: a column of texts makes each one when it is asked for, which takes longer.
    names = (scores[name].to_numpy(dtype=object) for name in ("unit_id", "metric"))
    numbers = scores["value"].to_numpy(float)
    known = np.isfinite(numbers).tolist()
    for unit_id, metric, value, is_known in zip(*names, numbers.tolist(), known, strict=True):
        values.setdefault(unit_id, {})[metric] = value if is_known else None
    return values


def _reasons(scores: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return by unit and metric why it is null."""
    missing = scores.loc[scores["reason"].notna(), ["unit_id", "metric", "reason"]]
    return {
        (unit_id, metric): reason for unit_id, metric, reason in missing.itertuples(index=False)
    }


def _frames_per_s(sweep: Sweep) -> dict[str, float]:
    """Return the frames per second of each unit made without interruption."""
    timings = sweep.whole_timings
    seconds = timings[timings["stage"] == "end_to_end"].set_index("unit_id")["seconds"]
    frames = sweep.units.drop_duplicates("unit_id").set_index("unit_id")["num_frames"]
    return {str(unit_id): value for unit_id, value in (frames / seconds).dropna().items()}


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def timing_table(sweep: Sweep) -> pd.DataFrame:
    """Return mean seconds per stage over the videos made without interruption, a line per row."""
    timings = sweep.whole_timings
    stages = timings.pivot(index="unit_id", columns="stage", values="seconds")
    stages = stages[list(dict.fromkeys(timings["stage"]))]
    units = sweep.units.join(stages, on="unit_id", how="inner")
    rows = units.groupby(ROW, sort=False)
    table = rows[list(stages.columns)].mean()
    table.insert(0, "num_videos", rows.size())
    table.insert(1, "device", rows["device"].agg(lambda names: ", ".join(sorted(set(names)))))
    return table.reset_index()
