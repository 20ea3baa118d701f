"""What changed between two run stores: settings, rows, and the same videos' numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from eval.statistics import paired_difference
from harness.store.frames import Sweep, as_dicts
from harness.store.header import UNKNOWN_REVISION
from reports.site.site_files import short

Label = tuple[str, str]


def differences(before: Sweep, after: Sweep) -> dict[str, Any]:
    """Compare two stores, each loaded by itself.

    Means are over the (prompt, seed) pairs that both have; differences are after - before.

    Returns:
        Names, changed settings [name, before, after], rows only in one, and per common row how many
        videos have equal bytes, with the difference of each suite, duration and metric.
    """
    rows_before, rows_after = _rows(before), _rows(after)
    common = [label for label in rows_before if label in rows_after]
    return {
        "before": before.name,
        "after": after.name,
        "settings": _settings(before, after),
        "only_before": [label for label in rows_before if label not in rows_after],
        "only_after": [label for label in rows_after if label not in rows_before],
        "rows": [
            _row(label, before, rows_before[label], after, rows_after[label]) for label in common
        ],
    }


def _rows(sweep: Sweep) -> dict[Label, pd.DataFrame]:
    return {(backbone, method): units for backbone, method, units in sweep.rows()}


def _settings(before: Sweep, after: Sweep) -> list[tuple[str, str, str]]:
    def known(sweep: Sweep) -> dict[str, str]:
        suites = {f"suite {name}": version[0] for name, version in sweep.versions.items()}
        devices = {"devices": ", ".join(sorted(set(sweep.units["device"].dropna())))}
        versions = {name: version for name, version in sweep.header.versions.items() if version}
        revision = sweep.header.revision or UNKNOWN_REVISION
        return {"revision": revision, **versions, **suites, **devices}

    old, new = known(before), known(after)
    return [
        (name, old.get(name, "none"), new.get(name, "none"))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _row(
    label: Label, before: Sweep, old: pd.DataFrame, after: Sweep, new: pd.DataFrame
) -> dict[str, Any]:
    shas = [
        {
            (unit["prompt_id"], unit["seed"]): unit["video_sha256"]
            for unit in as_dicts(units[units["status"] == "done"])
        }
        for units in (old, new)
    ]
    shared = [pair for pair in shas[0] if pair in shas[1]]
    arguments = [_arguments(units) for units in (old, new)]
    return {
        "backbone": label[0],
        "method": label[1],
        "shared": len(shared),
        "equal": sum(shas[0][pair] == shas[1][pair] for pair in shared),
        "arguments": [
            (name, arguments[0].get(name, "none"), arguments[1].get(name, "none"))
            for name in dict.fromkeys([*arguments[0], *arguments[1]])
            if arguments[0].get(name) != arguments[1].get(name)
        ],
        "metrics": _metrics(before, old, after, new),
    }


def _arguments(units: pd.DataFrame) -> dict[str, str]:
    done = units[units["status"] == "done"]
    found: dict[str, str] = {}
    for kind in ("backbone", "method"):
        args = done[f"{kind}_args"].iloc[0] if len(done) else None
        if isinstance(args, Mapping):
            found |= {f"{kind}.{name}": str(value) for name, value in args.items()}
    return found


def _metrics(
    before: Sweep, old: pd.DataFrame, after: Sweep, new: pd.DataFrame
) -> list[dict[str, Any]]:
    values = [_values(before, old), _values(after, new)]
    lines = []
    for key in values[0]:
        suite, duration, metric = key
        info = after.metrics.get(suite, {}).get(metric)
        if key not in values[1] or info is None:
            continue
        difference = paired_difference(values[1][key], values[0][key], info.higher_is_better)
        if difference is None:
            continue
        low, high = difference.interval or (None, None)
        lines.append(
            {
                "suite": suite,
                "duration": duration,
                "title": info.title,
                "up": info.higher_is_better,
                "difference": short(difference.mean),
                "interval": [short(low), short(high)],
                "p": short(difference.p, 3),
                "videos": difference.num_pairs,
                "prompts": difference.num_prompts,
            }
        )
    return lines


def _values(
    sweep: Sweep, units: pd.DataFrame
) -> dict[tuple[str, float, str], dict[tuple[str, int], float]]:
    scores = sweep.scores[sweep.scores["value"].notna()]
    joined = units[["unit_id", "prompt_id", "seed"]].merge(scores, on="unit_id")
    found: dict[tuple[str, float, str], dict[tuple[str, int], float]] = {}
    names = ("suite", "duration_s", "metric", "prompt_id", "seed", "value")
    for suite, duration, metric, prompt_id, seed, value in zip(
        *(joined[name] for name in names), strict=True
    ):
        found.setdefault((suite, duration, metric), {})[prompt_id, seed] = value
    return found
