"""Cost of VBench-Long in the official code and here: same clips, weights and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.metric import MetricUnavailable, networks_of, opening_networks_of
from eval.scoring.suite import METRICS
from eval.vbench_long.dataset import DIMENSIONS, score_dataset
from eval.vbench_long.networks.viclip import OFFICIAL_SUFFIX
from eval.vbench_long.official_code.run import run_official
from eval.video.decode import probe
from eval.video.reencode import clip_path
from eval.video.split import Span
from harness.core.environment import Machine, describe_machine
from harness.core.errors import ConfigError
from harness.core.typed_files import read_typed, write_typed
from harness.store.record import frames_by_time
from harness.studies.official.scoring import UNIT, ScoringCost, ScoringJob

PROMPT = "a video"


@dataclass(frozen=True)
class DimensionRow:
    """One dimension, at the longest duration.

    Attributes:
        dimension: its name.
        official_s: CPU seconds of the official code, including loading its networks.
        ours_s: CPU seconds of the networks that the dimension needs here, including loading them;
            wall seconds if it needs none. Decoding is shared by all, so only the totals contain it.
        official: score of the official code.
        ours: score here, aggregated like the official one.
    """

    dimension: str
    official_s: float
    ours_s: float
    official: float
    ours: float


@dataclass(frozen=True)
class TotalRow:
    """All dimensions, each code in a process of its own.

    Attributes:
        label: the durations.
        num_clips: clips scored by the official code, and here.
        official_s: CPU seconds of the official code, including imports.
        ours_s: CPU seconds here, including imports.
        official_mib: peak memory of the official code.
        ours_mib: peak memory here.
    """

    label: str
    num_clips: tuple[int, int]
    official_s: float
    ours_s: float
    official_mib: float
    ours_mib: float


@dataclass(frozen=True)
class MetricsBench:
    """Result: one row per dimension, the totals, and the machine."""

    dimensions: tuple[DimensionRow, ...]
    totals: tuple[TotalRow, ...]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def bench_metrics(
    video: Path,
    durations_s: Sequence[float],
    threads: int,
    device: str,
    on_step: Callable[[str], None],
) -> MetricsBench:
    """Score a video with both codes, duration by duration; here also all durations at once.

    Args:
        video: the video.
        durations_s: durations to score, in seconds from the start.
        threads: CPU threads of torch and OpenCV.
        device: torch device name.
        on_step: called with the name of each step when it starts.

    Raises:
        MetricUnavailable: the official code failed, or a dimension cannot be computed here.
        LongtakeError: the video cannot be read.
        ConfigError: the video is shorter than a duration.
    """
    info = probe(video)
    frames: dict[str, int] = {}
    for seconds in sorted(durations_s):
        num_frames = frames_by_time(seconds, info.fps, info.num_frames)
        if num_frames is None:
            raise ConfigError(f"{video} is shorter than {seconds:g} s.")
        frames[f"{seconds:g}"] = num_frames
    totals: list[TotalRow] = []
    with tempfile.TemporaryDirectory(prefix="longtake-bench-metrics-") as folder:
        root = Path(folder)

        def ours(
            durations_frames: dict[str, int], metrics: Sequence[str] = DIMENSIONS
        ) -> ScoringCost:
            return _ours(root, video, durations_frames, metrics, threads, device)

        on_step("clips")  # encoded here, so that no figure contains it
        ours(frames, ["temporal_flickering"])
        for name, num_frames in frames.items():
            on_step(f"{name} s, ours")
            cost = ours({name: num_frames})
            on_step(f"{name} s, official code")
            clips = [
                clip_path(root / "clips" / UNIT, Span(clip.start_frame, clip.end_frame))
                for clip in cost.scores.clips
            ]
            official = run_official(
                {PROMPT + OFFICIAL_SUFFIX: (video, clips)}, DIMENSIONS, device, threads
            )
            totals.append(
                TotalRow(
                    f"{name} s",
                    (len(clips), len(clips)),
                    official["total_cpu_s"],
                    cost.cpu_s,
                    official["peak_rss_mib"],
                    cost.peak_mib,
                )
            )
        rows = tuple(_row(dimension, official, cost, name) for dimension in DIMENSIONS)
        if len(totals) > 1:
            on_step("all durations at once, ours")
            cost = ours(frames)
            totals.append(
                TotalRow(
                    "all of them",
                    (sum(row.num_clips[0] for row in totals), len(cost.scores.clips)),
                    sum(row.official_s for row in totals),
                    cost.cpu_s,
                    max(row.official_mib for row in totals),
                    cost.peak_mib,
                )
            )
    import torch

    return MetricsBench(rows, tuple(totals), describe_machine(torch.device(device)))


def _ours(
    root: Path,
    video: Path,
    durations_frames: dict[str, int],
    metrics: Sequence[str],
    threads: int,
    device: str,
) -> ScoringCost:
    job = ScoringJob(str(video), PROMPT, durations_frames, tuple(metrics), threads, device)
    write_typed(root / "job.json", job)
    command = [sys.executable, "-m", "harness.studies.official.scoring", str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise MetricUnavailable(f"scoring failed: {ended.stderr.strip().splitlines()[-1]}")
    cost = read_typed(root / "cost.json", ScoringCost)
    for name, metric in cost.scores.metrics.items():
        if metric.reason:
            raise MetricUnavailable(f"{name}: {metric.reason}")
    return cost


def _row(
    dimension: str, official: dict[str, Any], cost: ScoringCost, duration: str
) -> DimensionRow:
    metric = METRICS.load(METRICS.own_name(dimension))()
    networks = (*networks_of(metric), *opening_networks_of(metric))
    score = score_dataset([cost.scores], duration)[dimension].official
    assert score is not None, "every dimension has a number"
    return DimensionRow(
        dimension,
        official["cpu_s"][dimension],
        sum(cost.networks_s[network.name] for network in networks)
        or cost.scores.timings_s[dimension],
        float(official[dimension][0]),
        score,
    )
