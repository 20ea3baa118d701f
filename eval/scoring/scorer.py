"""Scoring of videos by a suite: one decode for all metrics, each network loaded once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from eval.clip import ScoredSegment
from eval.metric import Metric, check_arguments
from eval.networks.output_cache import OutputCache
from eval.networks.pool import NetworkPool
from eval.scoring.metric_run import MetricRun, is_failure_of_setup, reason_of
from eval.scoring.network_runs import NetworkRuns
from eval.scoring.results import Scores
from eval.scoring.suite import METRICS, Suite
from eval.scoring.video_scoring import Progress, VideoScoring
from harness.core.errors import ConfigError
from harness.core.machine import eval_threads


@dataclass(frozen=True)
class Workspace:
    """Folders that are kept between videos and runs.

    Attributes:
        clips: encoded clips, in a folder per video.
        features: outputs of networks.
    """

    clips: Path
    features: Path


class Scorer:
    """A suite, set up once and used for many videos.

    Sets OpenCV's number of threads for the whole process.

    Args:
        suite: the suite.
        device: torch device of the networks that use torch.

    Raises:
        LongtakeError: an unknown metric, or one that cannot be imported.
        ConfigError: two metrics of one name.
    """

    def __init__(self, suite: Suite, device: str = "cpu") -> None:
        cv2.setNumThreads(eval_threads())
        self.suite = suite
        self.pool = NetworkPool(device)
        self._entries: dict[str, str] = {}
        self._metrics: dict[str, Metric] = {}
        self._unavailable: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        for entry in suite.metrics:
            metric: Metric = METRICS.load(entry)()
            name = metric.info.name
            if name in self._metrics:
                raise ConfigError(f"Suite {suite.name!r} has two metrics called {name!r}.")
            self._metrics[name], self._entries[name] = metric, entry
            try:
                check_arguments(metric)
                metric.setup()
            except Exception as error:
                self._unavailable[name] = reason_of(error)
                if is_failure_of_setup(error):
                    self._failed[name] = self._unavailable[name]

    def score(
        self,
        video: Path,
        prompt: str,
        durations_frames: Mapping[str, int],
        unit_id: str,
        progress: Progress | None = None,
        workspace: Workspace | None = None,
        segments: Sequence[ScoredSegment] = (),
        block_frames: int | None = None,
        latents: Path | None = None,
    ) -> Scores:
        """Score one video.

        A metric that fails becomes null with its reason and does not stop the others.

        Args:
            video: the video file; frames after the longest duration are ignored.
            prompt: the evaluation prompt.
            durations_frames: name of each duration, in seconds, to its number of frames.
            unit_id: written into the scores; names the folder of the clips.
            progress: called with the number of finished clips and of all, after each run of a
                network on a clip.
            workspace: where clips and outputs are kept; None for nowhere.
            segments: where the prompt changes, and the evaluation prompts from there on.
            block_frames: video frames of a block, where that is known.
            latents: file of the clean latents, for metrics that see them; None without.

        Raises:
            VideoDamaged: the file cannot be read or is shorter than the longest duration.
            ConfigError: a duration without frames.
        """
        with tempfile.TemporaryDirectory(prefix="longtake-clips-") as folder:
            cache = OutputCache(workspace.features if workspace else None, self.pool.device)
            scoring = VideoScoring(
                suite=self.suite,
                runs=[MetricRun(m, self._unavailable.get(n)) for n, m in self._metrics.items()],
                networks=NetworkRuns(self.pool, cache),
                video=video,
                clips_folder=(workspace.clips if workspace else Path(folder)) / unit_id,
                prompt=prompt,
                durations_frames=durations_frames,
                segments=segments,
                block_frames=block_frames,
                latents=latents,
                progress=progress or (lambda done, total: None),
            )
            not_set_up = [self._entries[name] for name in self._unavailable]
            return scoring.run(unit_id, not_set_up, self._failed)
