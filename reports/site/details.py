"""Data that the page loads when asked: the list of videos, drift curves, and each video's own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.typed_files import to_plain
from harness.store.files import Reader
from harness.store.frames import Sweep, as_dicts
from harness.store.record import Record
from harness.store.trace import retrieval_lines
from reports.site.assets import UnitAssets
from reports.site.site_files import short
from reports.site.strips import strip_size
from reports.tables.table import Comparison

MAX_STRIPS = 8
"""Rows of the front page's picture."""
PROMPT_CHARS = 300
"""Longer prompts are cut in lists; the page of a video has all of it."""


def video_list(
    sweep: Sweep, comparisons: Sequence[Comparison], assets: Mapping[str, UnitAssets]
) -> dict[str, Any]:
    """One line per unit and row, with all values, for the list of videos and for tracing a mean."""
    prompts = list(dict.fromkeys(sweep.units["prompt_id"]))
    texts = sweep.units.drop_duplicates("prompt_id").set_index("prompt_id")["prompt"]
    index = {prompt_id: position for position, prompt_id in enumerate(prompts)}
    by_suite = {suite: [t for t in comparisons if t.suite == suite] for suite in sweep.metrics}
    backbones = {name: position for position, name in enumerate(sweep.backbones)}
    methods = {name: position for position, name in enumerate(sweep.methods)}
    lines = []
    for unit in as_dicts(sweep.units):
        files = assets.get(unit["unit_id"])
        lines.append(
            [
                unit["unit_id"],
                backbones[unit["backbone"]],
                methods[unit["method"]],
                index[unit["prompt_id"]],
                int(unit["seed"]),
                unit["status"],
                files.strip if files else None,
                short(unit["duration_s"]),
                _common_address(files),
            ]
        )
    return {
        "prompts": [[prompt_id, _cut(texts[prompt_id])] for prompt_id in prompts],
        "suites": list(sweep.metrics),
        "lines": lines,
        "values": {
            suite: {f"{t.duration_s:g}": _values(sweep, t) for t in tables}
            for suite, tables in by_suite.items()
        },
        # In the order of the groups of the front page, which begins with the longest duration.
        "pairs": {
            suite: [
                [[index[prompt_id], seed] for prompt_id, seed in group.pairs]
                for t in reversed(tables)
                for group in t.groups
            ]
            for suite, tables in by_suite.items()
        },
    }


def showcase(sweep: Sweep, assets: Mapping[str, UnitAssets]) -> dict[str, Any] | None:
    """One prompt with the strips of one backbone's methods, for the top of the front page.

    The first prompt and seed that most methods have a video of: chosen by order, not by looks.
    """
    units = sweep.units[sweep.units["status"] == "done"]
    shown = [bool((files := assets.get(unit_id)) and files.strip) for unit_id in units["unit_id"]]
    units = units[shown]
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
    return {
        "backbone": backbone,
        "id": prompt_id,
        "text": _cut(chosen["prompt"].iloc[0]),
        "seed": int(seed),
        "length": short(chosen["duration_s"].max()),
        "units": [
            [unit["unit_id"], unit["method"], assets[unit["unit_id"]].strip]
            for unit in as_dicts(chosen)
        ],
    }


def _common_address(files: UnitAssets | None) -> list[str | None] | None:
    """Record and scores of a unit; long lists of videos are mostly these addresses."""
    if files is None or (files.record is None and not files.metrics):
        return None
    return [files.record, *files.metrics.values()]


def _values(sweep: Sweep, table: Comparison) -> dict[str, list[float | None]]:
    """By metric the value of each line of the list."""
    scores = sweep.scores
    chosen = scores[(scores["suite"] == table.suite) & (scores["duration_s"] == table.duration_s)]
    wide = chosen.pivot(index="unit_id", columns="metric", values="value")
    wide = wide.reindex(sweep.units["unit_id"])
    return {info.name: [short(value, 5) for value in wide[info.name]] for info in table.metrics}


def drift_data(points: pd.DataFrame) -> dict[str, Any]:
    """By suite and metric the lines [backbone, set, method, seconds, means, standard errors]."""
    curves: dict[str, dict[str, list[Any]]] = {}
    keys = ["suite", "metric", "backbone", "prompt_set", "method"]
    for (suite, metric, *row), curve in points.groupby(keys, sort=False):
        numbers = [[short(v, 5) for v in curve[name]] for name in ("second", "mean", "stderr")]
        curves.setdefault(str(suite), {}).setdefault(str(metric), []).append([*row, *numbers])
    return curves


def unit_details(
    sweep: Sweep, assets: Mapping[str, UnitAssets]
) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Unit id, data of its page, and warnings about its trace, for every finished unit."""
    done = sweep.units[sweep.units["status"] == "done"].drop_duplicates("unit_id")
    # Where the lines of each unit are; slicing by place avoids a frame per unit.
    curves = sweep.curves
    columns = {name: curves[name].to_numpy() for name in ("start_s", "end_s", "value")}
    names = {name: curves[name].astype(str).to_numpy(dtype=object) for name in ("suite", "metric")}
    places = curves.groupby("unit_id", observed=True, sort=False).indices
    scores = _scores(sweep.scores)
    nowhere = np.empty(0, dtype=int)
    still: dict[str, list[float]] = {}
    for unit_id, duration_s in sorted(sweep.frozen):
        still.setdefault(unit_id, []).append(duration_s)
    for unit in as_dicts(done):
        unit_id = unit["unit_id"]
        reader = Reader(sweep.sources[unit["source"]].folder)
        record = reader.read(reader.paths.record_path(unit_id), Record)
        generation = record.generation if record else None
        at = places.get(unit_id, nowhere)
        files = assets[unit_id]
        retrievals = []
        if not unit["imported"] and math.isfinite(unit["num_latents"]):
            retrievals = _retrievals(
                retrieval_lines(
                    reader, unit_id, int(unit["num_latents"]), int(unit["num_frames"]), unit["fps"]
                )
            )
        width, height = (
            unit[name] if unit[name] == unit[name] else 1.0 for name in ("width", "height")
        )
        yield (
            unit_id,
            {
                "id": unit_id,
                "backbone": unit["backbone"],
                "method": unit["method"],
                "prompt": unit["prompt"],
                "prompt_id": unit["prompt_id"],
                "seed": int(unit["seed"]),
                "source": unit["source"],
                "seconds": round(unit["num_frames"] / unit["fps"], 3),
                "fps": unit["fps"],
                "size": [int(width), int(height)],
                "strip_size": strip_size(int(width), int(height)),
                "video": files.video,
                "strip": files.strip,
                "files": _files(files),
                "sha256": unit["video_sha256"],
                "device": unit["device"],
                "scores": scores.get(unit_id, {}),
                "curves": _curves(names, columns, np.asarray(at)),
                "retrievals": retrievals,
                "timings": sorted(generation.timings_s.items()) if generation else [],
                "memory": sorted(generation.memory_mib.items()) if generation else [],
                "drift": sweep.drift.get(unit_id, {}),
                "frozen": still.get(unit_id, []),
                "manifest": json.dumps(
                    to_plain(record) if record else {}, indent=1, ensure_ascii=False
                ),
            },
            reader.warnings,
        )


def _files(files: UnitAssets) -> list[tuple[str, str]]:
    named = [("video", files.video), ("record.json", files.record), ("trace.jsonl", files.trace)]
    named += [(f"scores of suite {suite}", link) for suite, link in files.metrics.items()]
    return [(name, link) for name, link in named if link is not None]


def _scores(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """By unit, suite, metric and duration a number, or the reason why there is none."""
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    names = ("unit_id", "suite", "metric", "duration_s", "value", "reason")
    for unit_id, suite, metric, duration, value, reason in zip(
        *(scores[name] for name in names), strict=True
    ):
        known = short(value)
        of_metric = found.setdefault(unit_id, {}).setdefault(suite, {}).setdefault(metric, {})
        of_metric[f"{duration:g}"] = known if known is not None else str(reason)
    return found


def _retrievals(lines: list[tuple[int, float, float, float | None]]) -> list[dict[str, Any]]:
    """Per block the second it begins at, and the second and similarity of each memory frame."""
    blocks: dict[float, dict[str, Any]] = {}
    for _, query_s, frame_s, score in lines:
        block = blocks.setdefault(query_s, {"query": round(query_s, 3), "frames": [], "scores": []})
        block["frames"].append(round(frame_s, 3))
        block["scores"].append(short(score, 5))
    return list(blocks.values())


def _curves(
    names: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray], at: np.ndarray
) -> dict[str, list[list[float | None]]]:
    """Per "suite/metric" the clips as [start, end, value]."""
    curves: dict[str, list[list[float | None]]] = {}
    for place in at:
        key = f"{names['suite'][place]}/{names['metric'][place]}"
        start_s, end_s, value = (columns[n][place] for n in ("start_s", "end_s", "value"))
        clip = [round(float(start_s), 3), round(float(end_s), 3), short(value, 5)]
        curves.setdefault(key, []).append(clip)
    return curves


def _cut(text: str) -> str:
    return text if len(text) <= PROMPT_CHARS else text[:PROMPT_CHARS] + "…"
