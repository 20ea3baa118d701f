"""Summaries of records and files of scores: what lists and tables need, kept by the index."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.clip import ScoredSegment
from eval.scoring.results import Scores
from harness.core.human import counted
from harness.store.record import Facts, Generation, Length, Record, VideoFile


@dataclass(frozen=True)
class MadeVideo(Length):
    """The part of a record that tells what is left to do.

    Attributes:
        video: the video file.
        segment_starts: first video frame of each segment; one segment for a single prompt.
    """

    video: VideoFile
    segment_starts: tuple[int, ...]

    def is_whole(self, num_latents: int, folder: Path | str) -> bool:
        """Return whether it is long enough, and the file in `folder` is the recorded one."""
        made = self.num_latents
        return made is not None and made >= num_latents and self.video.matches(folder)


@dataclass(frozen=True)
class RecordSummary(MadeVideo):
    """The part of a record that tables show.

    Attributes:
        fps: video frames per second, rounded down.
        width: pixels.
        height: pixels.
        finished: time of completion, UTC.
        device: GPU or CPU that it was made on.
        setting: what speeds depend on besides backbone and method.
        peak_host_mib: peak memory of the process.
        peak_device_mib: peak memory of the GPU.
        budget_latents: most latent frames in the attention.
        licence: licence of the weights, of an external generator too.
        facts: facts for the leaderboard.
        timings_s: seconds by stage.
        backbone_args: arguments of the backbone.
        method_args: arguments of the strategy.

    Those of the generation are None for an imported video.
    """

    fps: int
    width: int
    height: int
    finished: str
    device: str | None
    setting: str | None
    peak_host_mib: float | None
    peak_device_mib: float | None
    budget_latents: int | None
    licence: str | None
    facts: Facts | None
    timings_s: dict[str, float]
    backbone_args: dict[str, Any] | None
    method_args: dict[str, Any] | None

    @classmethod
    def of(cls, record: Record) -> RecordSummary:
        """Return the summary of a record."""
        made = record.generation
        memory = made.memory_mib if made else {}
        external = record.origin.licence if record.origin else None
        return cls(
            **asdict(record.length),
            fps=record.fps,
            width=record.width,
            height=record.height,
            video=record.video,
            finished=record.finished,
            device=(made.machine.gpu or made.machine.host_cpu) if made else None,
            setting=_setting(made) if made else None,
            peak_host_mib=memory.get("peak_host"),
            peak_device_mib=memory.get("peak_device"),
            budget_latents=made.context_budget_latents if made else None,
            licence=made.facts.licence if made else external,
            facts=made.facts if made else None,
            timings_s=dict(made.timings_s) if made else {},
            segment_starts=record.segment_starts(),
            backbone_args=_arguments(record, "backbone"),
            method_args=_arguments(record, "method"),
        )


@dataclass(frozen=True)
class ScoresSummary:
    """The part of a file of scores that tells whether it is up to date.

    Attributes:
        suite_version: version of the suite.
        video_sha256: the video that was scored.
        prompt: evaluation prompt of the video.
        durations_frames: number of video frames of each scored duration.
        not_set_up: metrics that are null because a package or file was missing.
        networks: keys of the networks that were used, by name.
        segments: where the prompt changed, with the evaluation prompts.
        failed: metrics that raised an error or broke their contract.
    """

    suite_version: str
    video_sha256: str
    prompt: str
    durations_frames: dict[str, int]
    not_set_up: tuple[str, ...]
    networks: dict[str, str]
    segments: tuple[ScoredSegment, ...]
    failed: tuple[str, ...]

    @classmethod
    def of(cls, scores: Scores) -> ScoresSummary:
        """Return the summary of a file of scores."""
        return cls(
            suite_version=scores.suite_version,
            video_sha256=scores.video_sha256,
            prompt=scores.prompt,
            durations_frames={name: d.num_frames for name, d in scores.durations.items()},
            not_set_up=scores.not_set_up,
            networks=dict(scores.networks),
            segments=scores.segments,
            failed=tuple(scores.failed),
        )


def _setting(generation: Generation) -> str:
    """Return what speeds depend on besides backbone and method."""
    machine, batch = generation.machine, generation.batch
    made = counted(machine.threads, "thread")
    if machine.workers and machine.workers > 1:
        made = f"{machine.workers} workers of {made}"
    together = f", {batch:g} videos in step" if batch != 1 else ""
    return f"{machine.gpu or machine.host_cpu}, {made}{together}, torch {machine.torch}"


def _arguments(record: Record, kind: str) -> dict[str, Any] | None:
    """Return the arguments of the backbone or the method; None for an imported video."""
    identity = record.identity.get(kind)
    if not isinstance(identity, dict):
        return None
    return {name: value for name, value in identity.items() if name != "name"}
