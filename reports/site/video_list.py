"""The lists of videos, in pieces that load on demand, and the filmstrips of the front page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.core.durations import duration_name
from harness.store.frames import Sweep, as_dicts
from reports.site import schema
from reports.site.assets import UnitAssets
from reports.site.data_files import short
from reports.tables.table import Comparison, Pair

MAX_STRIPS = 8
"""Rows of the front page's filmstrips."""
PIECE_VIDEOS = 2000
"""Most videos of a file, so that a page with a million opens as fast as one with few."""
PROMPT_CHARS = 300
"""Longer prompts are cut in lists; the page of a video has the whole text."""


def video_pieces(
    sweep: Sweep, comparisons: Sequence[Comparison], assets: Mapping[str, UnitAssets]
) -> Iterator[tuple[schema.Piece, schema.VideoPiece]]:
    """Yield the lists of videos: a page loads those of the rows that it shows.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        assets: by unit the addresses of its files; units without any are left out.
    """
    places = {prompt: place for place, prompt in enumerate(dict.fromkeys(sweep.units["prompt_id"]))}
    values = [_Values.of(sweep, table) for table in comparisons]
    number = 0
    for backbone, method, units in sweep.rows():
        for first in range(0, len(units), PIECE_VIDEOS):
            some = units.iloc[first : first + PIECE_VIDEOS]
            piece = schema.Piece(str(number), backbone, method, len(some))
            yield piece, _piece(some, places, values, assets)
            number += 1


def _piece(
    units: pd.DataFrame,
    places: Mapping[str, int],
    values: Sequence[_Values],
    assets: Mapping[str, UnitAssets],
) -> schema.VideoPiece:
    prompts = units.drop_duplicates("prompt_id")
    index = {str(prompt_id): number for number, prompt_id in enumerate(prompts["prompt_id"])}
    files = [assets.get(unit_id) for unit_id in units["unit_id"]]
    by_suite = {one.suite: [v for v in values if v.suite == one.suite] for one in values}
    return schema.VideoPiece(
        prompts=[
            schema.Prompt(prompt_id, _cut(text), places[prompt_id])
            for prompt_id, text in zip(prompts["prompt_id"], prompts["prompt"], strict=True)
        ],
        videos=schema.Videos(
            unit_id=units["unit_id"].tolist(),
            prompt=[index[prompt_id] for prompt_id in units["prompt_id"]],
            seed=[int(seed) for seed in units["seed"]],
            status=units["status"].tolist(),
            length_s=[short(value) for value in units["duration_s"]],
            strip=[one.strip if one else None for one in files],
            record=[one.record if one else None for one in files],
        ),
        scores={
            suite: [one.scores.get(suite) if one else None for one in files] for suite in by_suite
        },
        values={
            suite: {one.duration: one.numbers(units) for one in of_suite}
            for suite, of_suite in by_suite.items()
        },
        counted={
            suite: {one.duration: one.counted(units) for one in of_suite}
            for suite, of_suite in by_suite.items()
        },
    )


@dataclass(frozen=True)
class _Values:
    """The values behind one table.

    Attributes:
        wide: a line per unit, a column per metric.
        pairs: by backbone and prompt set the pairs that its means are over.
    """

    suite: str
    duration: str
    wide: pd.DataFrame
    pairs: Mapping[tuple[str, str], frozenset[Pair]]

    @classmethod
    def of(cls, sweep: Sweep, table: Comparison) -> _Values:
        scores = sweep.scores
        own = (scores["suite"] == table.suite) & (scores["duration_s"] == table.duration_s)
        wide = scores[own].pivot(index="unit_id", columns="metric", values="value")
        pairs = {(g.backbone, g.prompt_set): frozenset(g.pairs) for g in table.groups}
        wide = wide[[info.name for info in table.metrics]]
        return cls(table.suite, duration_name(table.duration_s), wide, pairs)

    def numbers(self, units: pd.DataFrame) -> dict[str, list[float | None]]:
        """Return by metric the value of each unit."""
        lines = self.wide.reindex(units["unit_id"])
        return {str(name): [short(value, 5) for value in lines[name]] for name in lines}

    def counted(self, units: pd.DataFrame) -> list[bool]:
        """Return whether the table counts each unit."""
        columns = (units[name] for name in ("backbone", "prompt_set", "prompt_id", "seed"))
        return [
            (prompt_id, seed) in self.pairs.get((backbone, prompt_set), ())
            for backbone, prompt_set, prompt_id, seed in zip(*columns, strict=True)
        ]


def showcase(sweep: Sweep, assets: Mapping[str, UnitAssets]) -> schema.Showcase | None:
    """Choose one prompt and seed with the strips of one backbone's methods.

    It is the first of those with videos of most methods, so the choice is not by looks.
    """
    units = sweep.units[sweep.units["status"] == "done"]
    strips = {unit_id: one.strip for unit_id, one in assets.items() if one.strip is not None}
    units = units[units["unit_id"].isin(strips)]
    if units.empty:
        return None
    keys = ["backbone", "prompt_id", "seed"]
    sizes = units.groupby(keys, sort=False).size()
    backbone, prompt_id, seed = sizes.index[int(np.argmax(sizes.to_numpy()))]
    chosen = units[
        (units["backbone"] == backbone)
        & (units["prompt_id"] == prompt_id)
        & (units["seed"] == seed)
    ].head(MAX_STRIPS)
    return schema.Showcase(
        backbone=backbone,
        prompt_id=prompt_id,
        prompt=_cut(chosen["prompt"].iloc[0]),
        seed=int(seed),
        length_s=float(chosen["duration_s"].max()),
        strips=[
            schema.Strip(unit["unit_id"], unit["method"], strips[unit["unit_id"]])
            for unit in as_dicts(chosen)
        ],
    )


def _cut(text: str) -> str:
    return text if len(text) <= PROMPT_CHARS else text[:PROMPT_CHARS] + "…"
