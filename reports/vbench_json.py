"""VBench's own result file of a row: {dimension: [score, [{video_path, video_results}, ...]]}.

Only the suite `vbench_long` has the dimensions of VBench, so only its rows are written. The entries
are clips, as in the official file of VBench-Long, whose score is the mean over all clips.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from reports.boards import Kind
from reports.files import Reader
from reports.load import Sweep, as_dicts
from reports.tables import Comparison, Row

DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
    "overall_consistency",
)


def write_vbench_results(sweep: Sweep, comparison: Comparison, folder: Path) -> list[Path]:
    """Write one <backbone>_<method>_<duration>_eval_results.json per competing row.

    Returns:
        The files; none for a suite that is not VBench-Long.
    """
    if comparison.kind is not Kind.vbench_long:
        return []
    written = []
    for row in comparison.rows:
        if not row.competes:
            continue
        labels = "_".join(filter(None, (row.backbone, row.method, row.prompt_set)))
        name = re.sub(r"[^\w.-]+", "-", labels)
        path = folder / f"{name}_{comparison.duration_s:g}s_eval_results.json"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_results(sweep, comparison, row), indent=1), encoding="utf-8")
        written.append(path)
    return written


def _results(sweep: Sweep, comparison: Comparison, row: Row) -> dict[str, Any]:
    pairs = set(comparison.group(row).pairs)
    units = sweep.units
    of_row = units[
        (units["backbone"] == row.backbone)
        & (units["method"] == row.method)
        & (units["prompt_set"] == row.prompt_set)
        & (units["status"] == "done")
    ]
    clips: dict[str, list[dict[str, Any]]] = {name: [] for name in DIMENSIONS}
    duration = f"{comparison.duration_s:g}"
    for unit in as_dicts(of_row):
        if (unit["prompt_id"], unit["seed"]) not in pairs:
            continue
        reader = Reader(sweep.sources[unit["source"]].folder)
        path = reader.root / "metrics" / comparison.suite / f"{unit['unit_id']}.json"
        scores = reader.json(path) or {}
        for name in DIMENSIONS:
            values = scores.get("metrics", {}).get(name, {}).get("clip_scores")
            if values is None:
                continue
            for index in scores["durations"][duration]["clips"]:
                clip = scores["clips"][index]
                place = f"{unit['unit_id']}/{clip['start_frame']:06d}-{clip['end_frame']:06d}"
                clips[name].append({"video_path": place, "video_results": values[index]})
    return {
        name: [_mean([clip["video_results"] for clip in found]), found]
        for name, found in clips.items()
        if found
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
