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
from harness.store.columns import index_of, places, plain_texts
from harness.store.frames import ROW, Sweep
from reports.tables.competitor import Competitor
from reports.tables.marks import mark_table
from reports.tables.rating import RatedGroup, rate_group
from reports.tables.table import Comparison, Row
from reports.tables.values import TableValues

_NEEDED = [
    *("backbone", "prompt_set", "method", "prompt_id", "seed", "reason", "setting"),
    *("peak_device_mib", "peak_host_mib"),
]


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
    numbers = TableValues.of(sweep, suite, duration_s)
    frames_per_s_U = _frames_per_s(sweep, numbers.units)
    place = places(sweep.units["unit_id"], numbers.units)
    all_units = sweep.units[_NEEDED].assign(
        place=place,
        is_scored=(numbers.is_scored_U | numbers.is_frozen_U)[place],
        frames_per_s=frames_per_s_U[place],
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
                num_frozen=int(numbers.is_frozen_U[done["place"]].sum()),
                frames_per_s=_number(done["frames_per_s"].mean()),
                settings=tuple(
                    sorted(set(done.loc[done["frames_per_s"].notna(), "setting"].dropna()))
                ),
                peak_device_mib=_number(done["peak_device_mib"].max()),
                peak_host_mib=_number(done["peak_host_mib"].max()),
            )
            competitors.append(Competitor.of(row, of_row, numbers))
        rated.append(
            rate_group(str(backbone), str(prompt_set), competitors, numbers.metrics, baseline)
        )
    version = sweep.versions[suite][0]
    return Comparison(suite, version, duration_s, numbers.metrics, mark_table(rated))


def _frames_per_s(sweep: Sweep, units: pd.Index) -> np.ndarray:
    """Return the frames per second of each unit made without interruption; NaN for others."""
    frames_U = np.full(len(units), np.nan)
    frames_U[places(sweep.units["unit_id"], units)] = sweep.units["num_frames"]
    unit, stage, seconds = _whole_timings(sweep, units)
    own = np.asarray(stage == "end_to_end")
    seconds_U = np.full(len(units), np.nan)
    seconds_U[unit[own]] = seconds[own]
    return frames_U / seconds_U


def _whole_timings(sweep: Sweep, units: pd.Index) -> tuple[np.ndarray, pd.Categorical, np.ndarray]:
    """Return unit (its place), stage and seconds of the units made without interruption.

    A resumed unit replays its first blocks, so its seconds are not those of a rollout and must not
    enter mean speeds.
    """
    timings = sweep.timings
    unit = places(timings["unit_id"], units)
    resumed_U = np.zeros(len(units), bool)
    resumed_U[unit[timings["stage"] == "replay"]] = True
    whole = ~resumed_U[unit]
    stage = pd.Categorical(timings["stage"])
    return unit[whole], stage[whole], timings["seconds"].to_numpy(float)[whole]


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def timing_table(sweep: Sweep) -> pd.DataFrame:
    """Return mean seconds per stage over the videos made without interruption, a line per row."""
    units = index_of(sweep.units["unit_id"])
    unit, stage, seconds = _whole_timings(sweep, units)
    timed_U = np.zeros(len(units), bool)
    timed_U[unit] = True
    place = places(sweep.units["unit_id"], units)
    timed = timed_U[place]
    lines = sweep.units.loc[timed, [*ROW, "device"]]
    means = {}
    for name in stage.unique():
        own = np.asarray(stage == name)
        seconds_U = np.full(len(units), np.nan)
        seconds_U[unit[own]] = seconds[own]
        of_stage = lines[ROW].assign(seconds=seconds_U[place[timed]])
        means[name] = of_stage.groupby(ROW, sort=False)["seconds"].mean()
    rows = lines.groupby(ROW, sort=False)
    devices = rows["device"].agg(lambda names: ", ".join(sorted(set(names))))
    table = pd.DataFrame({"num_videos": rows.size(), "device": devices, **means})
    return plain_texts(table.reset_index())
