"""`eval engine=official`: the official code on the clips that were scored here, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.metric import MetricUnavailable
from eval.scoring.results import Scores
from eval.vbench_long.dataset import DIMENSIONS, official_names, score_dataset
from eval.vbench_long.networks.viclip import OFFICIAL_SUFFIX
from eval.vbench_long.official_code.run import run_official
from eval.video.reencode import clip_path
from eval.video.split import Span
from harness.core.durations import WHOLE, duration_name
from harness.core.errors import StoreError
from harness.core.events import Listener
from harness.core.files import write_json
from harness.core.machine import eval_threads
from harness.store.run_store import RunStore

SUITE = "vbench_long"


@dataclass(frozen=True)
class CrossCheck:
    """Dataset scores of the official code beside ours.

    Attributes:
        lines: row, dimension, score of the official code and here, its CPU seconds.
        failed: whether the official code failed on a row.
        path: the file with the lines.
    """

    lines: list[dict[str, Any]]
    failed: bool
    path: Path


def cross_check(
    store: RunStore, durations_s: Sequence[float], device: str, listener: Listener
) -> CrossCheck:
    """Run the official code on every row's clips and compare the dataset scores.

    Rows are run seed by seed, because the official layout knows one folder per prompt.

    Raises:
        StoreError: nothing was scored with the suite yet.
    """
    groups = _groups(store, durations_s)
    if not groups:
        raise StoreError(f"Score first: python -m harness eval {store.root} suite={SUITE}.")
    report, failed = [], False
    for label, (duration, contents) in groups.items():
        ours = score_dataset(contents, duration)
        wanted = [name for name in DIMENSIONS if ours[name].official is not None]
        names = official_names([scores.prompt for scores in contents])
        if any(not name.endswith(OFFICIAL_SUFFIX) for name in names):
            # Here the prompt is compared with the suffix of the first sample only.
            wanted = [name for name in wanted if name != "overall_consistency"]
        try:
            videos = {
                name: _files(store, scores, duration)
                for name, scores in zip(names, contents, strict=True)
            }
            listener.say(f"official code: {label}")
            theirs = run_official(videos, wanted, device, eval_threads())
        except MetricUnavailable as error:
            listener.say(f"failed: {label}: {error}")
            failed = True
            continue
        for name in wanted:
            official, here = float(theirs[name][0]), ours[name].official
            assert here is not None
            line = {"row": label, "dimension": name, "official_code": official, "here": here}
            report.append(line | {"official_cpu_s": theirs["cpu_s"][name]})
    path = store.cross_check_path(SUITE)
    write_json(path, report)
    return CrossCheck(report, failed, path)


def _groups(store: RunStore, durations_s: Sequence[float]) -> dict[str, tuple[str, list[Scores]]]:
    groups: dict[str, tuple[str, list[Scores]]] = {}
    for line in store.unit_lines():
        scores = store.scores(SUITE, line.unit_id)
        if scores is None:
            continue
        for duration_s in durations_s:
            duration = duration_name(duration_s)
            if duration in scores.durations:
                length = WHOLE if duration == WHOLE else f"{duration} s"
                label = f"{line.backbone} | {line.method} | seed {line.seed} | {length}"
                groups.setdefault(label, (duration, []))[1].append(scores)
    return groups


def _files(store: RunStore, scores: Scores, duration: str) -> tuple[Path, list[Path]]:
    record = store.record(scores.unit_id)
    assert record is not None
    folder = store.workspace / "clips" / scores.unit_id
    clips = [scores.clips[i] for i in scores.durations[duration].clips]
    paths = [clip_path(folder, Span(clip.start_frame, clip.end_frame)) for clip in clips]
    if missing := [path for path in paths if not path.is_file()]:
        raise MetricUnavailable(f"{missing[0]} is gone; score again to make it")
    return store.unit_dir(record.unit_id) / record.video.file, paths
