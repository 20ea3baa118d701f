"""Scores videos with a suite: one decode for all metrics, each network loaded once.

Clips are worked on in windows of bounded size: all clips of a window by one network, then by the
next, so that memory holds neither the whole video nor, where it is short, every network.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from eval.metric import (
    Clip,
    Metric,
    MetricUnavailable,
    Network,
    Outputs,
    check_arguments,
    networks_of,
    opening_networks_of,
)
from eval.metrics.flow import DIS_FLOW, motion_px
from eval.networks.output_cache import OutputCache
from eval.networks.pool import NetworkPool
from eval.networks.weights import WeightsUnusable
from eval.scoring.metric_run import MetricRun, ScoredSpan, reason_of
from eval.scoring.results import ScoredClip, ScoredDuration, Scores
from eval.scoring.stillness import frozen
from eval.scoring.suite import METRICS, Suite
from eval.video.decode import VideoInfo, probe, read_frames
from eval.video.reencode import ClipFiles
from eval.video.split import ClipPlan, Span, clip_length, plan_clips, stream_clips
from harness.core.errors import LongtakeError
from harness.core.machine import eval_threads

__all__ = ["Scorer", "Scores", "Workspace"]

Progress = Callable[[int, int], None]
WINDOW_MIB = 128


@dataclass(frozen=True)
class Workspace:
    """Folders that outlive a video: encoded clips, one folder per video, and network outputs."""

    clips: Path
    features: Path


class Scorer:
    """A suite, set up once and used for many videos.

    Sets OpenCV's number of threads for the whole process.

    Args:
        suite: which metrics.
        device: torch device of the networks that use torch.

    Raises:
        LongtakeError: an unknown metric, or two metrics of one name.
    """

    def __init__(self, suite: Suite, device: str = "cpu") -> None:
        cv2.setNumThreads(eval_threads())
        self.suite = suite
        self.pool = NetworkPool(device)
        self._entries: dict[str, str] = {}
        self._metrics: dict[str, Metric] = {}
        self._unavailable: dict[str, str] = {}
        for entry in suite.metrics:
            metric: Metric = METRICS.load(entry)()
            name = metric.info.name
            if name in self._metrics:
                raise LongtakeError(f"Suite {suite.name!r} has two metrics called {name!r}.")
            self._metrics[name], self._entries[name] = metric, entry
            try:
                check_arguments(metric)
                metric.setup()
            except Exception as error:
                self._unavailable[name] = reason_of(error)

    def score(
        self,
        video: Path,
        prompt: str,
        durations_frames: Mapping[str, int],
        unit_id: str,
        progress: Progress | None = None,
        workspace: Workspace | None = None,
    ) -> Scores:
        """Score one video.

        A metric that fails becomes null with its reason and does not stop the others.

        Args:
            video: the video file; frames after the longest duration are not looked at.
            prompt: the evaluation prompt.
            durations_frames: name of each duration, in seconds, to its number of frames.
            unit_id: written into the scores; names the folder of the clips.
            progress: called with clips done and clips in all, whenever a network did a clip.
            workspace: where clips and outputs are kept; None throws them away.

        Raises:
            VideoDamaged: the file cannot be read or is shorter than the longest duration.
            LongtakeError: a duration without frames.
        """
        with tempfile.TemporaryDirectory(prefix="longtake-clips-") as folder:
            scoring = _Scoring(
                suite=self.suite,
                runs=[MetricRun(m, self._unavailable.get(n)) for n, m in self._metrics.items()],
                pool=self.pool,
                cache=OutputCache(workspace.features if workspace else None, self.pool.device),
                video=video,
                clips_folder=(workspace.clips if workspace else Path(folder)) / unit_id,
                prompt=prompt,
                durations_frames=durations_frames,
                progress=progress or (lambda done, total: None),
            )
            return scoring.run(unit_id, [self._entries[name] for name in self._unavailable])


class _Scoring:
    """One video being scored."""

    def __init__(
        self,
        suite: Suite,
        runs: list[MetricRun],
        pool: NetworkPool,
        cache: OutputCache,
        video: Path,
        clips_folder: Path,
        prompt: str,
        durations_frames: Mapping[str, int],
        progress: Progress,
    ) -> None:
        self._suite = suite
        self._runs = runs
        self._pool = pool
        self._cache = cache
        self._video = video
        self._prompt = prompt
        self._durations_frames = durations_frames
        self._progress = progress
        self._info: VideoInfo = probe(video)
        self._plan: ClipPlan = plan_clips(durations_frames, clip_length(self._info.fps))
        self._video_sha256 = _file_sha256(video)
        self._files = None
        if suite.reencoded:
            fps = int(self._info.fps)
            self._files = ClipFiles(clips_folder, video, self._video_sha256, fps)
        live = [run.metric for run in runs if run.alive]
        self._networks = _unique([DIS_FLOW, *(n for m in live for n in networks_of(m))])
        self._opening_networks = _unique(n for m in live for n in opening_networks_of(m))
        self._timings_s = {"decode": 0.0}
        self._clips: list[ScoredClip] = []
        self._motions_px: list[float | None] = []
        self._firsts_HWC: list[np.ndarray] = []
        self._openings: dict[str, Outputs | None] = {}
        self._unusable: set[str] = set()
        self._keys: dict[str, str] = {}

    def run(self, unit_id: str, not_set_up: list[str]) -> Scores:
        try:
            self._score_windows()
        except MetricUnavailable as error:  # no clips can be made of this video
            self._clips = []
            self._runs = [MetricRun(run.metric, reason_of(error)) for run in self._runs]
        durations = {
            name: ScoredDuration(self._durations_frames[name], indices if self._clips else ())
            for name, indices in self._plan.durations.items()
        }
        span = ScoredSpan(tuple(self._clips), durations, self._openings_of)
        metrics = {run.metric.info.name: run.finish(span) for run in self._runs}
        seconds = {run.metric.info.name: run.seconds for run in self._runs}
        return Scores(
            suite=self._suite.name,
            suite_version=self._suite.version,
            unit_id=unit_id,
            video_sha256=self._video_sha256,
            prompt=self._prompt,
            fps=int(self._info.fps),
            clips=tuple(self._clips),
            durations=durations,
            metrics=metrics,
            not_set_up=(*not_set_up, *self._entries_unusable()),
            timings_s=self._timings_s | seconds,
            frozen={
                name: frozen([self._motions_px[i] for i in duration.clips])
                for name, duration in durations.items()
            },
            encoder=self._files.encoder if self._files else None,
            networks={
                network.name: self._keys[network.name]
                for network in (*self._networks, *self._opening_networks)
                if network.name in self._keys and network.name not in self._unusable
            },
        )

    def _score_windows(self) -> None:
        """All clips; none of them is held afterwards."""
        for window in self._windows():
            outputs = self._run_networks(window)
            for clip, of_clip in zip(window, outputs, strict=True):
                self._measure(clip, of_clip)

    def _windows(self) -> Iterator[list[Clip]]:
        """The clips of the video, a bounded number of bytes at a time."""
        window: list[Clip] = []
        clips = self._frames()
        for span in self._plan.spans:
            started = perf_counter()
            frames_FHWC = next(clips)
            scored = _scored_clip(span, self._info, hashlib.sha256(frames_FHWC.data).hexdigest())
            self._timings_s["decode"] += perf_counter() - started
            self._clips.append(scored)
            window.append(Clip(frames_FHWC, span.start, int(self._info.fps), self._prompt))
            if self._opening_networks:
                self._firsts_HWC.append(frames_FHWC[0].copy())
            if (len(window) + 1) * frames_FHWC.nbytes > WINDOW_MIB * 2**20:
                yield window
                window = []
        if window:
            yield window

    def _frames(self) -> Iterator[np.ndarray]:
        if self._files:
            return self._files.read(self._plan.spans, self._plan.num_frames)
        return stream_clips(read_frames(self._video, self._plan.num_frames), self._plan.spans)

    def _run_networks(self, window: list[Clip]) -> list[Outputs]:
        """Return the outputs of all networks on each clip of a window."""
        first = len(self._clips) - len(window)
        total = len(self._plan.spans)
        num_run = 0
        arrays: list[dict[str, np.ndarray | MetricUnavailable]] = [{} for _ in window]
        for network in self._networks:
            for index, clip in enumerate(window):
                sha256 = self._clips[first + index].sha256
                arrays[index][network.name] = self._output(network, clip, sha256)
                num_run += 1
                self._progress(first + num_run // len(self._networks), total)
        return [Outputs(of_clip) for of_clip in arrays]

    def _output(self, network: Network, clip: Clip, sha256: str) -> np.ndarray | MetricUnavailable:
        """Return a network's output from the cache or by running it, or why there is none."""
        started = perf_counter()
        try:
            output = None
            self._keys[network.name] = self._cache.key(network)
            if network.name not in self._unusable:
                output = self._cache.get(network, clip, sha256)
            if output is None:
                output = self._pool.run(network, clip)
                self._cache.put(network, clip, sha256, output)
            return output
        except Exception as error:
            if isinstance(error, WeightsUnusable) or self._pool.could_not_load(network):
                self._unusable.add(network.name)
            return MetricUnavailable(reason_of(error))
        finally:
            key = f"network {network.name}"
            self._timings_s[key] = self._timings_s.get(key, 0.0) + perf_counter() - started

    def _measure(self, clip: Clip, outputs: Outputs) -> None:
        for run in self._runs:
            run.measure(clip, outputs)
        try:
            self._motions_px.append(motion_px(outputs))
        except MetricUnavailable:
            self._motions_px.append(None)

    def _openings_of(self, duration: str) -> Outputs | None:
        """Return the outputs on the first frames of a duration's clips; None for a single clip."""
        if duration not in self._openings:
            indices = self._plan.durations[duration]
            self._openings[duration] = self._run_on_openings(duration, indices)
        return self._openings[duration]

    def _run_on_openings(self, duration: str, indices: tuple[int, ...]) -> Outputs | None:
        if len(indices) < 2:
            return None
        frames_FHWC = np.stack([self._firsts_HWC[i] for i in indices])
        if self._files:
            frames_FHWC = self._files.openings(f"openings-{duration}", frames_FHWC)
        clip = Clip(frames_FHWC, 0, int(self._info.fps), self._prompt)
        sha256 = hashlib.sha256(frames_FHWC.data).hexdigest()
        return Outputs(
            {
                network.name: self._output(network, clip, sha256)
                for network in self._opening_networks
            }
        )

    def _entries_unusable(self) -> list[str]:
        """Metrics that wait for other weights, as the suite names them."""
        waiting = []
        for entry, run in zip(self._suite.metrics, self._runs, strict=True):
            networks = (*networks_of(run.metric), *opening_networks_of(run.metric))
            if any(network.name in self._unusable for network in networks):
                waiting.append(entry)
        return waiting


def _unique(networks: Iterable[Network]) -> list[Network]:
    return list({network.name: network for network in networks}.values())


def _scored_clip(span: Span, info: VideoInfo, sha256: str) -> ScoredClip:
    start_s, end_s = float(span.start / info.fps), float(span.end / info.fps)
    return ScoredClip(span.start, span.end, start_s, end_s, sha256)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
