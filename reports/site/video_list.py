"""The lists of videos, in pieces that load on demand, and the filmstrips of the front page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.core.durations import duration_name
from harness.store.columns import places
from harness.store.frames import Sweep
from reports.site import schema
from reports.site.assets import Addresses
from reports.site.data_files import short
from reports.tables.table import Comparison, Pair
from reports.tables.values import TableValues

MAX_STRIPS = 8
"""Rows of the front page's filmstrips."""
PIECE_VIDEOS = 2000
"""Most videos of a file, so that a page with a million opens as fast as one with few."""
PROMPT_CHARS = 300
"""Longer prompts are cut in lists; the page of a video has the whole text."""


def video_pieces(
    sweep: Sweep, comparisons: Sequence[Comparison], addresses: Addresses
) -> Iterator[tuple[schema.Piece, schema.VideoPiece]]:
    """Yield the lists of videos: a page loads those of the rows that it shows.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        addresses: of the files of its units; videos that are not finished have none.
    """
    prompts = {prompt: place for place, prompt in enumerate(sweep.units["prompt_id"].unique())}
    values = [_Values.of(sweep, table) for table in comparisons]
    number = 0
    for backbone, method, units in sweep.rows():
        for first in range(0, len(units), PIECE_VIDEOS):
            some = units.iloc[first : first + PIECE_VIDEOS]
            piece = schema.Piece(str(number), backbone, method, len(some))
            yield piece, _piece(some, prompts, values, addresses)
            number += 1


def _piece(
    units: pd.DataFrame,
    numbers: Mapping[str, int],
    values: Sequence[_Values],
    addresses: Addresses,
) -> schema.VideoPiece:
    prompts = units.drop_duplicates("prompt_id")
    index = {str(prompt_id): number for number, prompt_id in enumerate(prompts["prompt_id"])}
    files = addresses.of(units)
    by_suite = {one.suite: [v for v in values if v.suite == one.suite] for one in values}
    return schema.VideoPiece(
        prompts=[
            schema.Prompt(prompt_id, _cut(text), numbers[prompt_id])
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
        values_UM: a line per unit, a column per metric.
        pairs: by backbone and prompt set the pairs that its means are over.
    """

    suite: str
    duration: str
    units: pd.Index
    metrics: tuple[str, ...]
    values_UM: np.ndarray
    pairs: Mapping[tuple[str, str], frozenset[Pair]]

    @classmethod
    def of(cls, sweep: Sweep, table: Comparison) -> _Values:
        found = TableValues.of(sweep, table.suite, table.duration_s)
        pairs = {(g.backbone, g.prompt_set): frozenset(g.pairs) for g in table.groups}
        names = tuple(info.name for info in table.metrics)
        duration = duration_name(table.duration_s)
        return cls(table.suite, duration, found.units, names, found.values_UM, pairs)

    def numbers(self, units: pd.DataFrame) -> dict[str, list[float | None]]:
        """Return by metric the value of each unit."""
        lines = self.values_UM[places(units["unit_id"], self.units)].T.tolist()
        return {
            name: [short(value, 5) for value in of_metric]
            for name, of_metric in zip(self.metrics, lines, strict=True)
        }

    def counted(self, units: pd.DataFrame) -> list[bool]:
        """Return whether the table counts each unit."""
        columns = (units[name] for name in ("backbone", "prompt_set", "prompt_id", "seed"))
        return [
            (prompt_id, seed) in self.pairs.get((backbone, prompt_set), ())
            for backbone, prompt_set, prompt_id, seed in zip(*columns, strict=True)
        ]


def showcase(sweep: Sweep, addresses: Addresses) -> schema.Showcase | None:
    """Choose one prompt and seed with the strips of one backbone's methods.

    It is the first of those with videos of most methods, so the choice is not by looks.
    """
    units = sweep.units[sweep.units["status"] == "done"]
    units = units[addresses.with_strip(units["unit_id"])]
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
            schema.Strip(unit_id, method, files.strip)
            for unit_id, method, files in zip(
                chosen["unit_id"], chosen["method"], addresses.of(chosen), strict=True
            )
            if files and files.strip
        ],
    )


def _cut(text: str) -> str:
    return text if len(text) <= PROMPT_CHARS else text[:PROMPT_CHARS] + "…"
