"""The data of the front page: tables, groups, methods and sources. No video has a line in it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from backbones import BACKBONES
from harness.store.frames import Source, Sweep, as_dicts
from harness.store.header import UNKNOWN_REVISION
from harness.store.paths import StorePaths
from harness.store.trace import rope_scheme
from methods import METHODS
from reports.papers.quoted import QuotedTable
from reports.site.site_files import short
from reports.site.style import strokes
from reports.tables.boards import NOTES, grouped
from reports.tables.definitions import describe
from reports.tables.table import Cell, Comparison, Group, Row

Link = Callable[[Path], str]
MAX_LEFT_OUT = 30
"""Pairs named per group that are not compared; the rest is counted."""
MAX_LISTED = 500
"""Failures and conflicts listed on the page; all of them are in tables/units.csv."""


def front_data(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    quoted: Sequence[QuotedTable],
    points: pd.DataFrame,
    link: Link,
) -> dict[str, Any]:
    """Everything the front page shows, as plain JSON values.

    Args:
        sweep: what was loaded.
        comparisons: its tables.
        quoted: published tables to show apart.
        points: of `reports.tables.drift.drift_points`, for the small curves in the rows.
        link: the address of a file as seen from the page.
    """
    look = strokes(sweep.methods)
    counts = sweep.units.drop_duplicates("unit_id")["status"].value_counts()
    return {
        "name": sweep.name,
        "counts": {
            name: int(counts.get(name, 0)) for name in ("done", "running", "failed", "missing")
        },
        "prompts": int(sweep.units["prompt_id"].nunique()),
        "seconds": round(float(_finished(sweep)["duration_s"].sum()), 1),
        "devices": sorted(set(sweep.units["device"].dropna())),
        "backbones": sweep.backbones,
        "methods": [
            {"name": name, "colour": stroke.colour, "line": stroke.line}
            for name, stroke in look.items()
        ],
        "rows": _row_facts(sweep),
        "boards": [
            _board(suite, [t for t in reversed(comparisons) if t.suite == suite], points)
            for suite in sweep.metrics
            if any(t.suite == suite for t in comparisons)
        ],
        "quoted": [_quoted(table, link) for table in quoted],
        "sources": [_source(source, link) for source in sweep.sources],
        "failures": _failures(sweep, link),
        "conflicts": [
            {"unit": conflict.unit_id, "versions": conflict.versions}
            for conflict in sweep.conflicts[:MAX_LISTED]
        ],
        "num_conflicts": len(sweep.conflicts),
        "warnings": list(sweep.warnings),
    }


def _finished(sweep: Sweep) -> pd.DataFrame:
    units = sweep.units.drop_duplicates("unit_id")
    return units[units["status"] == "done"]


def _source(source: Source, link: Link) -> dict[str, Any]:
    header = source.header
    return {
        "name": header.name,
        "folder": str(source.folder),
        "header": link(StorePaths(source.folder).header_path),
        "created": header.created,
        "revision": header.revision or UNKNOWN_REVISION,
        "versions": [item for item in sorted(header.versions.items()) if item[1]],
        "commands": [
            {
                "time": command.time,
                "text": shlex.join(command.argv),
                "rows": sorted(command.rows),
            }
            for command in header.commands
        ],
    }


def _row_facts(sweep: Sweep) -> list[dict[str, Any]]:
    """Per backbone and method what it is: class, arguments, and what badges say."""
    facts = []
    for backbone, method, units in sweep.rows():
        done = units[units["status"] == "done"]
        fact: dict[str, Any] = {"backbone": backbone, "method": method}
        if len(done):
            first = as_dicts(done.head(1))[0]
            fact |= {
                "budget": short(first["budget_latents"]),
                "rope": None if first["imported"] else rope_scheme(_trace_path(sweep, first)),
                "trained": _known(first["trained_latents"]),
                "licence": _known(first["licence"]),
                "weights": _known(first["weights"]),
                "official": _known(first["official_setting"]),
                "long": _known(first["long_setting"]),
                "imported": bool(first["imported"]),
                "plugin": _known(first["method_plugin"]),
                "args": _args(first["method_args"]),
                "backbone_plugin": _known(first["backbone_plugin"]),
                "backbone_args": _args(first["backbone_args"]),
                "definition": describe(METHODS, _known(first["method_plugin"])),
                "backbone_definition": describe(BACKBONES, _known(first["backbone_plugin"])),
            }
        facts.append(fact)
    return facts


def _known(value: Any) -> Any:
    """None for the NaN that pandas puts where a fact is absent."""
    return None if isinstance(value, float) and value != value else value


def _args(args: Any) -> list[tuple[str, str]]:
    return [(name, _plain(value)) for name, value in args.items()] if isinstance(args, dict) else []


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _board(suite: str, tables: Sequence[Comparison], points: pd.DataFrame) -> dict[str, Any]:
    """The leaderboard of one suite; the longest duration comes first."""
    metrics = {info.name: info for table in tables for info in table.metrics}
    names = list(metrics)
    first = tables[0]
    groups: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    sparks = _sparks(suite, names, points)
    for table in tables:
        offset = len(groups)
        groups += [_group(table, group) for group in table.groups]
        rows += [
            _row(table, row, names, offset + table.groups.index(table.group(row)), sparks)
            for row in table.rows
        ]
    return {
        "suite": suite,
        "version": first.version,
        "kind": str(first.kind),
        "note": NOTES[first.kind],
        "metrics": [
            {
                "name": info.name,
                "title": info.title,
                "unit": info.unit,
                "up": info.higher_is_better,
                "text": info.description,
                "decimals": max(t.decimals(info.name) for t in tables if info in t.metrics),
            }
            for info in metrics.values()
        ],
        "headings": [
            [heading, [names.index(info.name) for info in infos]]
            for heading, infos in grouped(tuple(metrics.values()))
        ],
        "durations": sorted(table.duration_s for table in tables),
        "groups": groups,
        "rows": rows,
    }


def _group(table: Comparison, group: Group) -> dict[str, Any]:
    """A group; its fingerprint tells whether two tables are over the same prompts and seeds."""
    listed = "\n".join(f"{prompt_id}\t{seed}" for prompt_id, seed in group.pairs)
    return {
        "backbone": group.backbone,
        "set": group.prompt_set,
        "duration": table.duration_s,
        "prompts": group.num_prompts,
        "videos": len(group.pairs),
        "mark": hashlib.sha256(listed.encode()).hexdigest()[:8],
        "baseline": group.baseline,
        "left_out": [
            [out.prompt_id, out.seed, out.method, out.reason]
            for out in group.left_out[:MAX_LEFT_OUT]
        ],
        "num_left_out": len({(out.prompt_id, out.seed) for out in group.left_out}),
    }


def _row(
    table: Comparison,
    row: Row,
    names: Sequence[str],
    group: int,
    sparks: Mapping[tuple[str, str, str], list[float | None]],
) -> dict[str, Any]:
    return {
        "backbone": row.backbone,
        "method": row.method,
        "group": group,
        "counts": [row.num_prompts, row.num_videos, row.num_planned, row.num_frozen],
        "competes": row.competes,
        "complete": row.complete,
        "rank": [short(row.average_rank), *_interval(row.rank_interval)],
        "cells": [_cell(row.cells[name]) if name in row.cells else None for name in names],
        "cost": [short(v, 4) for v in (row.frames_per_s, row.peak_device_mib, row.peak_host_mib)],
        "spark": sparks.get((row.backbone, row.prompt_set, row.method), []) if row.competes else [],
    }


def _cell(cell: Cell) -> list[Any]:
    """[mean, low, high, stderr, rank, mark, videos, prompts, reason, versus]; see board.js."""
    versus = cell.versus
    numbers: list[Any] | None = None
    if versus is not None:
        d = versus.difference
        numbers = [short(d.mean), *_interval(d.interval), short(d.stderr, 3)]
        numbers += [short(d.p, 3), short(versus.p_holm, 3), short(d.effect_size, 3)]
        numbers.append(short(d.win_rate, 4))
    mark = 2 if cell.best else 1 if cell.near_best else 0
    return [
        short(cell.mean),
        *_interval(cell.interval),
        short(cell.stderr, 3),
        cell.rank,
        mark,
        cell.num_videos,
        cell.num_prompts,
        cell.reason,
        numbers,
    ]


def _interval(interval: tuple[float, float] | None) -> tuple[float | None, float | None]:
    return (short(interval[0]), short(interval[1])) if interval is not None else (None, None)


def _sparks(
    suite: str, names: Sequence[str], points: pd.DataFrame
) -> dict[tuple[str, str, str], list[float | None]]:
    """The drift curve of the first metric that has one, per row, thinned to a few points."""
    of_suite = points[points["suite"] == suite]
    headline = next((name for name in names if name in set(of_suite["metric"])), None)
    curves = of_suite[of_suite["metric"] == headline]
    sparks = {}
    for (backbone, prompt_set, method), curve in curves.groupby(
        ["backbone", "prompt_set", "method"], sort=False
    ):
        step = -(-len(curve) // 30)
        sparks[str(backbone), str(prompt_set), str(method)] = [
            short(value, 4) for value in curve["mean"].iloc[::step]
        ]
    return sparks


def _quoted(table: QuotedTable, link: Link) -> dict[str, Any]:
    return {
        "title": table.title,
        "source": table.source,
        "link": table.link,
        "protocol": table.protocol,
        "file": str(table.file),
        "metrics": list(table.metrics.values()),
        "rows": [
            [
                row.backbone,
                row.method,
                row.duration_s,
                [row.values.get(name) for name in table.metrics],
                row.note,
            ]
            for row in table.rows
        ],
    }


def _trace_path(sweep: Sweep, unit: dict[str, Any]) -> Path:
    return sweep.paths_of(unit).trace_path(unit["unit_id"])


def _failures(sweep: Sweep, link: Link) -> list[dict[str, Any]]:
    """Units without a usable record, with a link to the file that says why, if there is one."""
    failures = []
    unfinished = sweep.units[sweep.units["status"].isin(["failed", "missing"])]
    for unit in as_dicts(unfinished.head(MAX_LISTED)):
        paths = sweep.paths_of(unit)
        file, record = paths.first_failure_path(unit["unit_id"]), paths.record_path(unit["unit_id"])
        if file is None and record.is_file():
            file = record
        failures.append(
            {name: unit[name] for name in ("unit_id", "backbone", "method", "prompt_id", "seed")}
            | {"status": unit["status"], "reason": unit["reason"]}
            | {"file": link(file) if file else None}
        )
    return failures
