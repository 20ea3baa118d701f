"""Scores videos with a suite: one decode for all metrics, one clip in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import cv2

from eval.clips import Span, clip_length, plan_clips, stream_clips
from eval.measuring import MetricRun, reason_of
from eval.metric import Clip, Metric
from eval.results import SCHEMA, ScoredClip, ScoredDuration, Scores, write_scores
from eval.suite import METRICS, Suite
from eval.threads import num_threads
from eval.video import probe, read_frames
from harness.errors import LongtakeError

__all__ = ["Scorer", "Scores", "write_scores"]

Progress = Callable[[int, int], None]


class Scorer:
    """A suite, set up once and used for many videos.

    Sets OpenCV's number of threads for the whole process.

    Args:
        suite: which metrics.

    Raises:
        LongtakeError: an unknown metric, or two metrics of one name.
    """

    def __init__(self, suite: Suite) -> None:
        cv2.setNumThreads(num_threads())
        self.suite = suite
        self._metrics: dict[str, Metric] = {}
        self._unavailable: dict[str, str] = {}
        self._not_set_up: list[str] = []
        for entry in suite.metrics:
            metric: Metric = METRICS.load(entry)()
            name = metric.info.name
            if name in self._metrics:
                raise LongtakeError(f"Suite {suite.name!r} has two metrics called {name!r}.")
            self._metrics[name] = metric
            try:
                metric.setup()
            except Exception as error:
                self._unavailable[name] = reason_of(error)
                self._not_set_up.append(entry)

    def score(
        self,
        video: Path,
        prompt: str,
        durations_frames: Mapping[str, int],
        unit_id: str,
        progress: Progress | None = None,
    ) -> Scores:
        """Score one video.

        A metric that fails becomes null with its reason and does not stop the others.

        Args:
            video: the video file; frames after the longest duration are not looked at.
            prompt: the evaluation prompt.
            durations_frames: name of each duration, in seconds, to its number of frames.
            unit_id: written into the scores.
            progress: called with clips done and clips in all after each clip.

        Raises:
            VideoDamaged: the file cannot be read or is shorter than the longest duration.
            LongtakeError: a duration without frames.
        """
        fps = probe(video).fps
        plan = plan_clips(durations_frames, clip_length(fps))
        runs = [
            MetricRun(metric, self._unavailable.get(name)) for name, metric in self._metrics.items()
        ]
        clips: list[ScoredClip] = []
        decode_s = 0.0
        cuts = stream_clips(read_frames(video, plan.num_frames), plan.spans)
        for span in plan.spans:
            started = perf_counter()
            frames_FHWC = next(cuts)
            clips.append(_scored_clip(span, fps, hashlib.sha256(frames_FHWC.data).hexdigest()))
            decode_s += perf_counter() - started
            clip = Clip(frames_FHWC, span.start, int(fps), prompt)
            for run in runs:
                run.measure(clip)
            if progress:
                progress(len(clips), len(plan.spans))
        metrics = {run.metric.info.name: run.finish(plan) for run in runs}
        timings_s = {run.metric.info.name: run.seconds for run in runs}
        return Scores(
            schema=SCHEMA,
            suite=self.suite.name,
            suite_version=self.suite.version,
            unit_id=unit_id,
            video_sha256=_file_sha256(video),
            prompt=prompt,
            fps=int(fps),
            clips=tuple(clips),
            durations={
                name: ScoredDuration(durations_frames[name], indices)
                for name, indices in plan.durations.items()
            },
            metrics=metrics,
            not_set_up=tuple(self._not_set_up),
            timings_s={"decode": decode_s, **timings_s},
        )


def _scored_clip(span: Span, fps: Fraction, sha256: str) -> ScoredClip:
    return ScoredClip(span.start, span.end, float(span.start / fps), float(span.end / fps), sha256)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
