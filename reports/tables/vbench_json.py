"""VBench's own result file of a row: {dimension: [score, [{video_path, video_results}, ...]]}.

Only the suite `vbench_long` has the dimensions of VBench, so only its rows are written. The entries
are clips, as in the official file of VBench-Long; the score comes from the official aggregation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.metric import Kind
from eval.scoring.results import Scores
from harness.core.durations import duration_name
from harness.core.names import file_stem
from harness.store.frames import Sweep, as_dicts
from harness.store.run_store import RunStore
from reports.tables.formatting import length_stem
from reports.tables.table import Comparison, Group, Row


def write_vbench_results(sweep: Sweep, comparison: Comparison, folder: Path) -> list[Path]:
    """Write one <backbone>_<method>_<duration>_eval_results.json per competing row.

    Returns:
        The files; none for a suite that is not VBench-Long.
    """
    if comparison.kind is not Kind.vbench_long:
        return []
    written = []
    for group in comparison.groups:
        for row in group.rows:
            if not row.competes:
                continue
            name = file_stem(row.backbone, row.method, row.prompt_set)
            path = folder / f"{name}_{length_stem(comparison.duration_s)}_eval_results.json"
            folder.mkdir(parents=True, exist_ok=True)
            content = _results(_scores(sweep, comparison.suite, group, row), comparison.duration_s)
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
            written.append(path)
    return written


def _results(videos: Mapping[str, Scores], duration_s: float) -> dict[str, Any]:
    # Imported here: it loads what the suite needs, and no other report does.
    from eval.vbench_long.dataset import score_dataset

    duration = duration_name(duration_s)
    return {
        name: [score.official, _clips(videos, name, duration)]
        for name, score in score_dataset(list(videos.values()), duration).items()
        if score.official is not None
    }


def _scores(sweep: Sweep, suite: str, group: Group, row: Row) -> dict[str, Scores]:
    """Return the score files of the compared videos of a row, by unit."""
    units = sweep.units
    of_row = units[
        (units["backbone"] == row.backbone)
        & (units["method"] == row.method)
        & (units["prompt_set"] == row.prompt_set)
        & (units["status"] == "done")
    ]
    pairs = set(group.pairs)
    found = {}
    for unit in as_dicts(of_row):
        if (unit["prompt_id"], unit["seed"]) in pairs:
            scores = RunStore(sweep.paths_of(unit).root).scores(suite, unit["unit_id"])
            if scores is not None:
                found[unit["unit_id"]] = scores
    return found


def _clips(videos: Mapping[str, Scores], name: str, duration: str) -> list[dict[str, Any]]:
    listed = []
    for unit_id, scores in videos.items():
        metric = scores.metrics[name]
        values = metric.official_clip_scores or metric.clip_scores
        assert values is not None, "a dimension with a number has clip scores"
        for index in scores.durations[duration].clips:
            clip = scores.clips[index]
            place = f"{unit_id}/{clip.start_frame:06d}-{clip.end_frame:06d}"
            listed.append({"video_path": place, "video_results": values[index]})
    return listed
