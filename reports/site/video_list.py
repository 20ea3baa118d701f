"""The list of all videos, and the filmstrips on top of the front page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.store.frames import Sweep, as_dicts
from reports.site import schema
from reports.site.assets import UnitAssets
from reports.site.data_files import short
from reports.site.leaderboard import longest_first
from reports.tables.table import Comparison

MAX_STRIPS = 8
"""Rows of the front page's filmstrips."""
PROMPT_CHARS = 300
"""Longer prompts are cut in lists; the page of a video has the whole text."""


def video_list(
    sweep: Sweep, comparisons: Sequence[Comparison], assets: Mapping[str, UnitAssets]
) -> schema.VideoList:
    """Build the list of videos, one line per unit and table row, with all values.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        assets: by unit the addresses of its files; units without any are left out.
    """
    units = sweep.units
    prompts = list(dict.fromkeys(units["prompt_id"]))
    texts = units.drop_duplicates("prompt_id").set_index("prompt_id")["prompt"]
    position = {prompt_id: index for index, prompt_id in enumerate(prompts)}
    backbones = {name: index for index, name in enumerate(sweep.backbones)}
    methods = {name: index for index, name in enumerate(sweep.methods)}
    by_suite = {suite: [t for t in comparisons if t.suite == suite] for suite in sweep.metrics}
    files = [assets.get(unit_id) for unit_id in units["unit_id"]]
    return schema.VideoList(
        prompts=[schema.Prompt(prompt_id, _cut(texts[prompt_id])) for prompt_id in prompts],
        videos=schema.Videos(
            unit_id=units["unit_id"].tolist(),
            backbone=[backbones[name] for name in units["backbone"]],
            method=[methods[name] for name in units["method"]],
            prompt=[position[prompt_id] for prompt_id in units["prompt_id"]],
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
            suite: {f"{table.duration_s:g}": _values(sweep, table) for table in tables}
            for suite, tables in by_suite.items()
        },
        pairs={
            suite: [
                schema.Pairs(
                    prompt=[position[prompt_id] for prompt_id, _ in group.pairs],
                    seed=[seed for _, seed in group.pairs],
                )
                for table in longest_first(tables)
                for group in table.groups
            ]
            for suite, tables in by_suite.items()
        },
    )


def _values(sweep: Sweep, table: Comparison) -> dict[str, list[float | None]]:
    """Return by metric the value of each line of the list."""
    scores = sweep.scores
    chosen = scores[(scores["suite"] == table.suite) & (scores["duration_s"] == table.duration_s)]
    wide = chosen.pivot(index="unit_id", columns="metric", values="value")
    wide = wide.reindex(sweep.units["unit_id"])
    return {info.name: [short(value, 5) for value in wide[info.name]] for info in table.metrics}


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
