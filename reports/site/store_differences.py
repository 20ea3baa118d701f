"""Differences between two run stores: settings, rows, and the numbers of the same videos."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from eval.metric import MetricInfo
from eval.statistics import P, PairedDifference, paired_differences, table_p
from harness.core.durations import plain_duration
from harness.store.frames import Sweep, as_dicts, load_sweeps
from harness.store.header import UNKNOWN_REVISION
from reports.site import schema
from reports.site.data_files import exact
from reports.tables.formatting import bounds, column_decimals, error_of

_Key = tuple[str, float, str]  # suite, duration and metric
_Pair = tuple[str, int]


def differences_to_first(sweep: Sweep) -> list[schema.StoreDifferences]:
    """Compare the first store of a report with each other one."""
    if len(sweep.sources) < 2:
        return []
    stores = [load_sweeps([source.folder]) for source in sweep.sources]
    return [store_differences(stores[0], other) for other in stores[1:]]


def store_differences(before: Sweep, after: Sweep) -> schema.StoreDifferences:
    """Compare two stores, each loaded alone.

    Means are over the (prompt, seed) pairs of which both have a video that moves; differences are
    after - before.
    """
    old, new = ({(b, m): units for b, m, units in sweep.rows()} for sweep in (before, after))
    compared = {
        label: _compared(before, units, after, new[label])
        for label, units in old.items()
        if label in new
    }
    tested = iter(table_p([one for made in compared.values() for _, _, one in made]))
    metrics = {
        label: [_metric(key, info, one, next(tested)) for key, info, one in made]
        for label, made in compared.items()
    }
    return schema.StoreDifferences(
        before=before.name,
        after=after.name,
        settings=_changes(_settings(before), _settings(after)),
        only_before=[schema.RowLabel(*label) for label in old if label not in new],
        only_after=[schema.RowLabel(*label) for label in new if label not in old],
        rows=[
            _row(schema.RowLabel(*label), old[label], new[label], found)
            for label, found in metrics.items()
        ],
    )


def _settings(sweep: Sweep) -> dict[str, str]:
    suites = {f"suite {name}": version[0] for name, version in sweep.versions.items()}
    devices = {"devices": ", ".join(sorted(set(sweep.units["device"].dropna())))}
    versions = {name: version for name, version in sweep.header.versions.items() if version}
    revision = sweep.header.revision or UNKNOWN_REVISION
    return {"revision": revision, **versions, **suites, **devices}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[schema.Change]:
    return [
        schema.Change(name, before.get(name, "none"), after.get(name, "none"))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _row(
    label: schema.RowLabel,
    old: pd.DataFrame,
    new: pd.DataFrame,
    metrics: list[schema.MetricDifference],
) -> schema.RowDifferences:
    sha_before, sha_after = _hashes(old), _hashes(new)
    shared = [pair for pair in sha_before if pair in sha_after]
    return schema.RowDifferences(
        backbone=label.backbone,
        method=label.method,
        num_shared=len(shared),
        num_equal=sum(sha_before[pair] == sha_after[pair] for pair in shared),
        arguments=_changes(_arguments(old), _arguments(new)),
        metrics=metrics,
    )


def _hashes(units: pd.DataFrame) -> dict[_Pair, str]:
    done = as_dicts(units[units["status"] == "done"])
    return {(unit["prompt_id"], unit["seed"]): unit["video_sha256"] for unit in done}


def _arguments(units: pd.DataFrame) -> dict[str, str]:
    done = units[units["status"] == "done"]
    found: dict[str, str] = {}
    for kind in ("backbone", "method"):
        args = done[f"{kind}_args"].iloc[0] if len(done) else None
        if isinstance(args, Mapping):
            found |= {f"{kind}.{name}": str(value) for name, value in args.items()}
    return found


def _compared(
    before: Sweep, old: pd.DataFrame, after: Sweep, new: pd.DataFrame
) -> list[tuple[_Key, MetricInfo, PairedDifference]]:
    """Return the differences of the metrics that both sides have of a row."""
    values_before, values_after = _values(before, old), _values(after, new)
    found = []
    for key, values in values_before.items():
        suite, _, metric = key
        info = after.metrics.get(suite, {}).get(metric)
        if key not in values_after or info is None:
            continue
        made = paired_differences({"after": values_after[key]}, values, info.higher_is_better)
        if difference := made["after"]:
            found.append((key, info, difference))
    return found


def _metric(
    key: _Key, info: MetricInfo, difference: PairedDifference, p: P | None
) -> schema.MetricDifference:
    low, high = bounds(difference.interval)
    error = error_of(difference.interval, difference.stderr)
    return schema.MetricDifference(
        title=info.title,
        higher_is_better=info.higher_is_better,
        quality=info.quality,
        duration_s=plain_duration(key[1]),
        difference=exact(difference.mean),
        low=exact(low),
        high=exact(high),
        no_interval=difference.no_interval,
        decimals=column_decimals([difference.mean], [error]),
        p=exact(p.table) if p else None,
        num_videos=difference.num_pairs,
    )


def _values(sweep: Sweep, units: pd.DataFrame) -> dict[_Key, dict[_Pair, float]]:
    scores = sweep.moving_scores[sweep.moving_scores["value"].notna()]
    joined = units[["unit_id", "prompt_id", "seed"]].merge(scores, on="unit_id")
    found: dict[_Key, dict[_Pair, float]] = {}
    names = ("suite", "duration_s", "metric", "prompt_id", "seed", "value")
    for suite, duration_s, metric, prompt_id, seed, value in zip(
        *(joined[name] for name in names), strict=True
    ):
        found.setdefault((suite, duration_s, metric), {})[prompt_id, seed] = value
    return found
