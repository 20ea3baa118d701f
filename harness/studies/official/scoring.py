"""Scoring of one video with our code in a process of its own, which reports the cost."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.clip import Clip
from eval.network import Network
from eval.networks.pool import NetworkPool
from eval.scoring.results import Scores
from eval.scoring.scorer import Scorer, Workspace
from eval.scoring.suite import SUITES, Suite
from harness.core.machine import peak_host_mib, prepare_process
from harness.core.typed_files import read_typed, write_typed

UNIT = "video"


@dataclass(frozen=True)
class ScoringJob:
    """A video to score, and how.

    Attributes:
        video: the file.
        prompt: its prompt.
        durations_frames: video frames of each duration, by its seconds as text.
        metrics: names of the metrics.
        threads: CPU threads.
        device: torch device.
    """

    video: str
    prompt: str
    durations_frames: dict[str, int]
    metrics: tuple[str, ...]
    threads: int
    device: str


@dataclass(frozen=True)
class ScoringCost:
    """Scores of one video, and the cost of computing them.

    Attributes:
        scores: the scores, as plain values.
        networks_s: CPU seconds of each network, including loading it.
        cpu_s: CPU seconds of the whole process.
        peak_mib: peak memory of the process.
    """

    scores: Scores
    networks_s: dict[str, float]
    cpu_s: float
    peak_mib: float


class MeasuredPool(NetworkPool):
    """A pool that measures the CPU time of each network."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, network: Network, clip: Clip) -> np.ndarray:
        """Run a network on a clip and add its CPU time."""
        started = time.process_time()
        output = super().run(network, clip)
        self.seconds[network.name] += time.process_time() - started
        return output


def main(root: Path) -> None:
    """Score the video of `job.json` and write `cost.json`.

    Clips are kept in the folder for the official code. Features are not, so that every call
    computes them.
    """
    job = read_typed(root / "job.json", ScoringJob)
    prepare_process(job.threads)
    official = SUITES["vbench_long"]
    suite = Suite(official.name, official.version, job.metrics, official.reencoded)
    scorer = Scorer(suite, job.device)
    scorer.pool = pool = MeasuredPool(job.device)
    scores = scorer.score(
        Path(job.video),
        job.prompt,
        job.durations_frames,
        UNIT,
        workspace=Workspace(root / "clips", Path(tempfile.mkdtemp(dir=root))),
    )
    cost = ScoringCost(
        scores,
        dict(pool.seconds),
        time.process_time(),
        peak_host_mib(),
    )
    write_typed(root / "cost.json", cost)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
