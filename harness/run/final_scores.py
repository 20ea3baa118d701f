"""VBench-Long's numbers of whole rows, from the score files of a run store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.scoring.results import Scores
from eval.scoring.suite import find_suite
from eval.vbench_long.dataset import DIMENSIONS, score_dataset
from eval.vbench_long.final_scores import final_scores
from harness.core.durations import duration_of, plain_duration
from harness.core.files import write_json
from harness.store.run_store import RunStore

SUITE = "vbench_long"


def write_rows(store: RunStore, suites: Sequence[str]) -> Path | None:
    """Write metrics/vbench_long.rows.json, if the suite was asked for.

    Returns:
        Its path, or None.
    """
    if SUITE not in suites:
        return None
    path = store.rows_path(SUITE)
    write_json(path, row_scores(store))
    return path


def row_scores(store: RunStore) -> list[dict[str, Any]]:
    """Return dimensions and final scores for every backbone, method and duration.

    Videos that stand still are left out and counted as `num_frozen`.

    Each dimension, and each final score, has the keys `official` (the official aggregation) and
    `per_video`, defined in `eval.vbench_long.dataset` and `eval.vbench_long.final_scores`.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for line in store.unit_lines():
        rows.setdefault(line.row, []).append(line.unit_id)
    table = []
    for (backbone, method), unit_ids in rows.items():
        videos = list(_scores(store, unit_ids))  # of one row at a time: they are large
        durations = {name for video in videos for name in video.durations}
        for duration in sorted(durations, key=duration_of):
            measured = [video for video in videos if duration in video.durations]
            having = [video for video in measured if not video.stands_still(duration)]
            dimensions = score_dataset(having, duration)
            table.append(
                {
                    "backbone": backbone,
                    "method": method,
                    "duration_s": plain_duration(duration_of(duration)),
                    "num_videos": len(having),
                    "num_frozen": len(measured) - len(having),
                    "dimensions": {name: asdict(dimensions[name]) for name in DIMENSIONS},
                    "final": {
                        aggregation: asdict(
                            final_scores(
                                {n: getattr(dimensions[n], aggregation) for n in DIMENSIONS}
                            )
                        )
                        for aggregation in ("official", "per_video")
                    },
                }
            )
    return table


def _scores(store: RunStore, unit_ids: Sequence[str]) -> Iterator[Scores]:
    """Yield the scores of this version of the suite."""
    version = find_suite(SUITE).version
    for unit_id in unit_ids:
        scores = store.scores(SUITE, unit_id)
        if scores is not None and scores.suite_version == version:
            yield scores
