"""The data of the front page: leaderboards, methods, sources, failures and conflicts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from eval.statistics import MARK_LEVELS, MIN_CLUSTERS
from harness.core.errors import LongtakeError
from harness.core.modules import read_docstring
from harness.store.frames import Source, Sweep, as_dicts
from harness.store.header import UNKNOWN_REVISION
from harness.store.paths import StorePaths
from harness.store.trace import rope_scheme
from methods import METHODS
from reports.papers.quoted import Quoted
from reports.papers.spread import Spread
from reports.site import schema
from reports.site.data_files import short
from reports.site.style import strokes
from reports.tables.sentence import Sentence

AddressOf = Callable[[Path], str | None]
"""Returns the address of a file of the store as seen from the page; None where none is linked."""
MAX_LISTED = 500
"""Failures and conflicts listed on the page; all of them are in tables/units.csv."""


def site_data(
    sweep: Sweep,
    boards: Sequence[schema.Board],
    pieces: Sequence[schema.Piece],
    quoted: Quoted,
    spreads: Sequence[Spread],
    showcase: schema.Showcase | None,
    laps: schema.Laps | None,
    headline: Sentence,
    address_of: AddressOf,
) -> schema.Site:
    """Build the data of the front page, without warnings and links that the report adds.

    Args:
        sweep: the loaded run stores.
        boards: its leaderboards.
        pieces: the files of its videos.
        quoted: published tables to show apart.
        spreads: of `reports.papers.spread.spreads`.
        showcase: filmstrips of one prompt.
        laps: pictures of one walk, lap under lap.
        headline: what came out.
        address_of: see `AddressOf`.
    """
    units = sweep.units[["unit_id", "status", "duration_s"]].drop_duplicates("unit_id")
    counts = units["status"].value_counts()
    return schema.Site(
        name=sweep.name,
        build="",
        live=False,
        counts=schema.Counts(
            **{
                status: int(counts.get(status, 0))
                for status in ("done", "running", "failed", "missing")
            }
        ),
        num_prompts=int(sweep.units["prompt_id"].nunique()),
        length_s=round(float(units.loc[units["status"] == "done", "duration_s"].sum()), 1),
        mark_levels=list(MARK_LEVELS),
        min_prompts=MIN_CLUSTERS,
        devices=sorted(set(sweep.units["device"].dropna())),
        backbones=sweep.backbones,
        methods=[
            schema.Method(name, stroke.colour, stroke.line)
            for name, stroke in strokes(sweep.methods).items()
        ],
        rows=_row_facts(sweep),
        pieces=list(pieces),
        boards=list(boards),
        quoted=list(quoted.tables),
        spreads=list(spreads),
        sources=[_source(source, address_of) for source in sweep.sources],
        failures=_failures(sweep, address_of),
        conflicts=[
            schema.Conflict(
                conflict.unit_id,
                [schema.ConflictingVideo(*version) for version in conflict.versions],
            )
            for conflict in sweep.conflicts[:MAX_LISTED]
        ],
        num_conflicts=len(sweep.conflicts),
        warnings=list(sweep.warnings),
        files=[],
        ablations=[],
        showcase=showcase,
        laps=laps,
        headline=headline,
    )


def _source(source: Source, address_of: AddressOf) -> schema.Source:
    header = source.header
    header_address = address_of(StorePaths(source.folder).header_path)
    return schema.Source(
        name=header.name,
        folder=str(source.folder) if header_address else None,
        header=header_address,
        created=header.created,
        revision=header.revision or UNKNOWN_REVISION,
        versions={name: v for name, v in sorted(header.versions.items()) if v},
        commands=[
            schema.Command(
                time=command.time,
                text=shlex.join(command.argv),
                rows=[schema.RowLabel(*label) for label in sorted(command.rows)],
            )
            for command in header.commands
        ],
    )


def _row_facts(sweep: Sweep) -> list[schema.RowFacts]:
    facts = []
    for backbone, method, units in sweep.rows():
        done = units[units["status"] == "done"]
        if done.empty:
            facts.append(schema.RowFacts(backbone, method))
            continue
        first = as_dicts(done.head(1))[0]
        plugin = _known(first["method_plugin"])
        facts.append(
            schema.RowFacts(
                backbone=backbone,
                method=method,
                budget_latents=short(first["budget_latents"]),
                rope=None
                if first["imported"]
                else rope_scheme(sweep.paths_of(first).trace_path(first["unit_id"])),
                trained_latents=_known(first["trained_latents"]),
                weights=_known(first["weights"]),
                official_setting=_known(first["official_setting"]),
                long_setting=_known(first["long_setting"]),
                imported=bool(first["imported"]),
                method_plugin=plugin,
                method_args=_args(first["method_args"]),
                backbone_args=_args(first["backbone_args"]),
                definition=_definition(plugin) if plugin else None,
            )
        )
    return facts


@cache
def _definition(plugin: str) -> str | None:
    """Return the docstring of a method's class; None if the method is not installed here."""
    try:
        return read_docstring(METHODS.target(plugin)) or None
    except (LongtakeError, SyntaxError, OSError, UnicodeError):
        return None


def _known(value: Any) -> Any:
    """Return None for NaN, by which pandas marks an absent fact."""
    return None if isinstance(value, float) and value != value else value


def _args(args: Any) -> dict[str, str]:
    if not isinstance(args, dict):
        return {}
    return {name: _plain(value) for name, value in args.items()}


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def _failures(sweep: Sweep, address_of: AddressOf) -> list[schema.Failure]:
    failures = []
    unfinished = np.flatnonzero(sweep.units["status"].isin(["failed", "missing"]))
    for unit in as_dicts(sweep.units.iloc[unfinished[:MAX_LISTED]]):
        paths, unit_id = sweep.paths_of(unit), unit["unit_id"]
        file, record = paths.first_failure_path(unit_id), paths.record_path(unit_id)
        if file is None and record.is_file():
            file = record
        failures.append(
            schema.Failure(
                unit_id=unit_id,
                backbone=unit["backbone"],
                method=unit["method"],
                prompt_id=unit["prompt_id"],
                seed=unit["seed"],
                status=unit["status"],
                reason=unit["reason"],
                file=address_of(file) if file else None,
            )
        )
    return failures
