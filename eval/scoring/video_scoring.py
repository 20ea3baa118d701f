"""Scoring of one video, clip by clip, in windows of bounded memory.

All clips of a window are run through one network, then through the next. Memory holds neither the
whole video nor, if it is short, more than one network at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from eval.clip import ScoredSegment
from eval.metric import (
    Clip,
    MetricUnavailable,
    Network,
    Outputs,
    networks_of,
    opening_networks_of,
)
from eval.metrics.flow import DIS_FLOW, motion_px
from eval.scoring.looping import FirstFrame, looping
from eval.scoring.metric_run import MetricRun, ScoredSpan, reason_of
from eval.scoring.network_runs import NetworkRuns
from eval.scoring.results import ScoredClip, ScoredDuration, Scores
from eval.scoring.segments import segment_of
from eval.scoring.stillness import stillness
from eval.scoring.suite import Suite
from eval.video.decode import VideoInfo, probe, read_frames
from eval.video.reencode import ClipFiles
from eval.video.split import ClipPlan, Span, clip_length, frames_before, plan_clips, stream_clips
from eval.video_metric import VideoMetric, WholeVideo

Progress = Callable[[int, int], None]
WINDOW_MIB = 128


class VideoScoring:
    """One video that is being scored.

    Args:
        suite: the suite.
        runs: one per metric of the suite, in its order.
        networks: runs networks on the clips.
        video: the video file.
        clips_folder: folder of the encoded clips, for a suite that scores those.
        prompt: evaluation prompt.
        durations_frames: name of each duration to its number of frames.
        segments: where the prompt changes, with the evaluation prompts; empty for a single one.
        block_frames: video frames of a block; None where that isn't known.
        latents: file of the clean latents; None where none were kept.
        progress: called with the number of finished clips and of all.
    """

    def __init__(
        self,
        suite: Suite,
        runs: list[MetricRun],
        networks: NetworkRuns,
        video: Path,
        clips_folder: Path,
        prompt: str,
        durations_frames: Mapping[str, int],
        segments: Sequence[ScoredSegment],
        block_frames: int | None,
        latents: Path | None,
        progress: Progress,
    ) -> None:
        self._suite = suite
        self._runs = runs
        self._network_runs = networks
        self._video = video
        self._prompt = prompt
        self._durations_frames = durations_frames
        self._segments = tuple(segments)
        self._block_frames = block_frames
        self._latents = latents
        self._progress = progress
        self._info: VideoInfo = probe(video)
        self._fps = int(self._info.fps)
        self._plan: ClipPlan = plan_clips(durations_frames, clip_length(self._info.fps))
        self._video_sha256 = _file_sha256(video)
        self._files: ClipFiles | None = None
        if suite.reencoded:
            self._files = ClipFiles(clips_folder, video, self._video_sha256, self._fps)
        live = [run.metric for run in runs if run.alive]
        # The flow always runs: it tells whether the video stands still.
        of_clips = [m for m in live if not isinstance(m, VideoMetric)]
        self._networks = _unique([DIS_FLOW, *(n for m in of_clips for n in networks_of(m))])
        self._opening_networks = _unique(n for m in live for n in opening_networks_of(m))
        self._decode_s = 0.0
        self._clips: list[ScoredClip] = []
        self._motions_px: list[float | None] = []
        self._first_frame = FirstFrame()
        self._levels: list[np.ndarray] = []
        self._firsts_HWC: list[np.ndarray] = []
        self._openings: dict[str, Outputs | None] = {}

    def run(self, unit_id: str, not_set_up: list[str], failed: Mapping[str, str]) -> Scores:
        """Score the video.

        Args:
            unit_id: written into the scores.
            not_set_up: metrics that could not be set up, as the suite names them.
            failed: reasons of those of them that are to blame themselves, by metric.
        """
        try:
            self._score_windows()
        except MetricUnavailable as error:
            # Clips of this video cannot be encoded, so every metric of the suite has this reason.
            self._clips = []
            self._runs = [MetricRun(run.metric, reason_of(error)) for run in self._runs]
        durations = {
            name: ScoredDuration(self._durations_frames[name], indices if self._clips else ())
            for name, indices in self._plan.durations.items()
        }
        span = ScoredSpan(
            tuple(self._clips),
            durations,
            self._segments,
            self._whole,
            self._openings_of,
            self._on_chosen,
        )
        metrics = {run.metric.info.name: run.finish(span) for run in self._runs}
        return Scores(
            suite=self._suite.name,
            suite_version=self._suite.version,
            unit_id=unit_id,
            video_sha256=self._video_sha256,
            prompt=self._prompt,
            fps=self._fps,
            clips=tuple(self._clips),
            durations=durations,
            metrics=metrics,
            not_set_up=(*not_set_up, *self._waiting_for_weights()),
            timings_s=self._timings_s(),
            frozen={
                name: stillness([self._motions_px[i] for i in duration.clips])
                for name, duration in durations.items()
            },
            looping={
                name: looping([self._levels[i] for i in duration.clips])
                for name, duration in durations.items()
            },
            encoder=self._files.encoder if self._files else None,
            networks=self._network_runs.keys(),
            segments=self._segments,
            failed={
                **failed,
                **{run.metric.info.name: run.failure for run in self._runs if run.failure},
            },
        )

    def _score_windows(self) -> None:
        """Measure all clips, holding those of one window at a time."""
        for window in self._windows():
            outputs = self._run_networks(window)
            for clip, of_clip in zip(window, outputs, strict=True):
                self._measure(clip, of_clip)

    def _windows(self) -> Iterator[list[Clip]]:
        """Yield the clips of the video, a bounded number of bytes at a time."""
        window: list[Clip] = []
        clips = self._frames()
        for span in self._plan.spans:
            started = perf_counter()
            held_FHWC = next(clips)
            num_before = len(held_FHWC) - (span.end - span.start)
            before_FHWC, frames_FHWC = held_FHWC[:num_before], held_FHWC[num_before:]
            sha256 = hashlib.sha256(frames_FHWC.data).hexdigest()
            self._decode_s += perf_counter() - started
            self._clips.append(_scored_clip(span, self._info, sha256))
            self._levels.append(self._first_frame.levels(frames_FHWC))
            prompt = self._prompt_of(span)
            window.append(
                Clip(
                    frames_FHWC,
                    span.start,
                    self._fps,
                    prompt,
                    self._segments,
                    before_FHWC,
                    self._block_frames,
                )
            )
            if self._opening_networks:
                # A copy: a view of the first frame would keep the whole clip in memory.
                self._firsts_HWC.append(frames_FHWC[0].copy())
            # Full if another clip of this size would not fit; a window has at least one clip.
            if (len(window) + 1) * held_FHWC.nbytes > WINDOW_MIB * 2**20:
                yield window
                window = []
        if window:
            yield window

    def _prompt_of(self, span: Span) -> str:
        if not self._segments:
            return self._prompt
        return self._segments[segment_of(self._segments, span.start, span.end)].prompt

    def _frames(self) -> Iterator[np.ndarray]:
        if self._files:
            return self._files.read(self._plan.spans, self._plan.num_frames)
        frames = read_frames(self._video, self._plan.num_frames)
        return stream_clips(frames, self._plan.spans, frames_before(self._fps))

    def _run_networks(self, window: list[Clip]) -> list[Outputs]:
        """Return the outputs of all networks on each clip of a window."""
        first = len(self._clips) - len(window)
        total = len(self._plan.spans)
        num_run = 0
        arrays: list[dict[str, np.ndarray | MetricUnavailable]] = [{} for _ in window]
        for network in self._networks:
            for index, clip in enumerate(window):
                sha256 = self._clips[first + index].sha256
                arrays[index][network.name] = self._network_runs.output(network, clip, sha256)
                num_run += 1
                # In whole clips: a window with half of its network runs done counts as half done.
                self._progress(first + num_run // len(self._networks), total)
        return [Outputs(of_clip) for of_clip in arrays]

    def _measure(self, clip: Clip, outputs: Outputs) -> None:
        for run in self._runs:
            run.measure(clip, outputs)
        try:
            self._motions_px.append(motion_px(outputs))
        except MetricUnavailable:
            self._motions_px.append(None)

    def _whole(self, duration: str) -> WholeVideo:
        num_frames = self._durations_frames[duration]
        return WholeVideo(
            self._video,
            num_frames,
            num_frames == self._info.num_frames,
            self._fps,
            self._prompt,
            self._segments,
            self._latents,
        )

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
        clip = Clip(frames_FHWC, 0, self._fps, self._prompt)
        sha256 = hashlib.sha256(frames_FHWC.data).hexdigest()
        return self._network_runs.outputs(self._opening_networks, clip, sha256)

    def _on_chosen(self, duration: str, metric: VideoMetric) -> Outputs:
        """Return the outputs of a metric's networks on the frames it chose, taken as a clip."""
        chosen = metric.chosen_frames(self._durations_frames[duration])
        frames = read_frames(self._video, max(chosen) + 1)
        found = {index: frame for index, frame in enumerate(frames) if index in chosen}
        frames_FHWC = np.stack([found[index] for index in chosen])
        clip = Clip(frames_FHWC, 0, self._fps, self._prompt)
        sha256 = hashlib.sha256(frames_FHWC.data).hexdigest()
        return self._network_runs.outputs(networks_of(metric), clip, sha256)

    def _waiting_for_weights(self) -> list[str]:
        """Return the metrics whose networks could not be loaded, as the suite names them."""
        return [
            entry
            for entry, run in zip(self._suite.metrics, self._runs, strict=True)
            if self._network_runs.could_not_load(
                (*networks_of(run.metric), *opening_networks_of(run.metric))
            )
        ]

    def _timings_s(self) -> dict[str, float]:
        networks = {f"network {name}": s for name, s in self._network_runs.seconds.items()}
        metrics = {run.metric.info.name: run.seconds for run in self._runs}
        return {"decode": self._decode_s, **networks, **metrics}


def _unique(networks: Iterable[Network]) -> list[Network]:
    return list({network.name: network for network in networks}.values())


def _scored_clip(span: Span, info: VideoInfo, sha256: str) -> ScoredClip:
    start_s, end_s = float(span.start / info.fps), float(span.end / info.fps)
    return ScoredClip(span.start, span.end, start_s, end_s, sha256)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
