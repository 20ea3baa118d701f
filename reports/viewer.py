"""The data of the side-by-side part of the page: videos, curves and retrieved frames per unit.

It is embedded in the page, because a page opened from a folder may not fetch files.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from reports.files import Reader
from reports.load import Sweep, as_dicts
from reports.style import strokes
from reports.trace import load_retrievals

MAX_UNITS = 1200
"""Units embedded in the page, about 10 KB each; later prompts are left out and the page says so."""


def viewer_data(sweep: Sweep, link: Callable[[Path], str]) -> tuple[dict[str, Any], list[str]]:
    """Everything the page's script needs, as plain JSON values, and warnings about trace files.

    Args:
        sweep: the loaded sweep.
        link: the relative address of a file, as seen from the page.
    """
    reader = Reader(sweep.folder)
    curves = dict(iter(sweep.curves.groupby("unit_id")))
    no_curves = sweep.curves.iloc[:0]
    order = list(dict.fromkeys(sweep.units["prompt_id"]))
    prompts: list[dict[str, Any]] = []
    num_units = 0
    for prompt_id in order:
        units = sweep.units[sweep.units["prompt_id"] == prompt_id]
        num_units += len(units)
        if prompts and num_units > MAX_UNITS:
            break
        seeds = [
            {
                "seed": int(seed),
                "units": [
                    _unit(unit, curves.get(unit["unit_id"], no_curves), reader, link)
                    for unit in as_dicts(units[units["seed"] == seed])
                ],
            }
            for seed in sorted(units["seed"].unique())
        ]
        prompts.append({"id": prompt_id, "text": units["prompt"].iloc[0], "seeds": seeds})
    data = {
        "backbones": sweep.backbones,
        "methods": {
            method: {"colour": stroke.colour} for method, stroke in strokes(sweep.methods).items()
        },
        "metrics": [
            {
                "key": f"{suite}/{info.name}",
                "suite": suite,
                "title": info.title,
                "unit": info.unit,
                "direction": info.direction,
            }
            for suite, infos in sweep.metrics.items()
            for info in infos.values()
        ],
        "prompts": prompts,
        "num_prompts": len(order),
    }
    # A unit that stands in two rows is read, and complained about, twice.
    return data, list(dict.fromkeys(reader.warnings))


def _unit(
    unit: dict[str, Any], curves: pd.DataFrame, reader: Reader, link: Callable[[Path], str]
) -> dict[str, Any]:
    folder = reader.root / "units" / unit["unit_id"]
    shown = {name: unit[name] for name in ("unit_id", "backbone", "method", "status")}
    if unit["status"] != "done":
        return shown | {"reason": unit["reason"]}
    retrievals = load_retrievals(
        reader, unit["unit_id"], int(unit["num_latents"]), int(unit["num_frames"]), unit["fps"]
    )
    return shown | {
        "video": link(folder / unit["video"]),
        "record": link(folder / "record.json"),
        "seconds": round(unit["num_frames"] / unit["fps"], 3),
        "fps": unit["fps"],
        "curves": _curves(curves),
        "retrievals": _retrievals(retrievals),
    }


def _retrievals(retrievals: pd.DataFrame) -> list[dict[str, Any]]:
    """Per block the second it begins at, and the second and similarity of each memory frame."""
    blocks: dict[float, dict[str, Any]] = {}
    for query_s, frame_s, score in retrievals[["query_s", "frame_s", "score"]].itertuples(
        index=False
    ):
        block = blocks.setdefault(query_s, {"query": round(query_s, 3), "frames": [], "scores": []})
        block["frames"].append(round(frame_s, 3))
        block["scores"].append(_rounded(score))
    return list(blocks.values())


def _curves(curves: pd.DataFrame) -> dict[str, list[list[float | None]]]:
    """Per "suite/metric" the clips as [start, end, value]."""
    return {
        f"{suite}/{metric}": [
            [round(start_s, 3), round(end_s, 3), _rounded(value)]
            for start_s, end_s, value in clips[["start_s", "end_s", "value"]].itertuples(
                index=False
            )
        ]
        for (suite, metric), clips in curves.groupby(["suite", "metric"], sort=False)
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
