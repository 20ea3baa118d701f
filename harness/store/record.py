"""The record of a finished unit: the file whose existence means that the unit is done."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from backbones.engine.script import Switch
from harness.core.durations import WHOLE_S
from harness.core.environment import Machine


@dataclass(frozen=True)
class VideoFile:
    """A finished video, as it was when the record was written."""

    file: str
    sha256: str
    bytes: int
    mtime_ns: int

    def __post_init__(self) -> None:
        # Both become parts of paths, and a store may come from an untrusted source.
        if "/" in self.file or self.file in ("", ".", ".."):
            raise ValueError(f"file {self.file!r} is not a file name")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r}")

    @classmethod
    def of(cls, path: Path) -> VideoFile:
        """Describe a file."""
        found = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.name, digest, found.st_size, found.st_mtime_ns)

    def matches(self, folder: Path | str) -> bool:
        """Compare the file in `folder` with this video; hash it only if its time changed."""
        path = f"{folder}/{self.file}"
        try:
            found = os.stat(path)  # noqa: PTH116 - objects of paths take most of the time
        except OSError:
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_size != self.bytes:
            return False
        return found.st_mtime_ns == self.mtime_ns or VideoFile.of(Path(path)).sha256 == self.sha256


@dataclass(frozen=True)
class Prompt:
    """The prompt of a unit.

    Attributes:
        set: name of the prompt set.
        id: id of the prompt in its set.
        text: generation prompt.
        evaluation_text: prompt that metrics compare with.
    """

    set: str
    id: str
    text: str
    evaluation_text: str


@dataclass(frozen=True)
class RecordedSegment:
    """A stretch of a video with one prompt.

    Attributes:
        first_latent: latent frame that it began with, which was the first of a block.
        seconds: its length as the script said.
        prompt: generation prompt.
        evaluation_prompt: prompt that metrics compare it with.
    """

    first_latent: int
    seconds: float
    prompt: str
    evaluation_prompt: str


@dataclass(frozen=True)
class RecordedScript:
    """The segments of a video whose prompt changes.

    Attributes:
        switch: treatment of past frames when the prompt changed: keep, recache or flush.
        segments: all of the script, also those that begin after the end of the video.
        block_latents: latent frames of a block; None in records of earlier versions.
    """

    switch: Switch
    segments: tuple[RecordedSegment, ...]
    block_latents: int | None = None


@dataclass(frozen=True)
class Facts:
    """Facts about backbone and setting that the leaderboard must state for each row.

    Attributes:
        backbone_plugin: name of the backbone in the command.
        method_plugin: name of the strategy in the command.
        trained_latents: longest rollout of the backbone's training.
        licence: licence of the weights.
        weights: released, own, random or embedded.
        official_setting: whether it uses the authors' setting and window, not the equal budget.
        long_setting: whether the authors have a setting for videos longer than their training.
        prompt_cut_tokens: tokens cut off a prompt that was too long.
    """

    backbone_plugin: str
    method_plugin: str
    trained_latents: int
    licence: str
    weights: str
    official_setting: bool
    long_setting: bool
    prompt_cut_tokens: int


@dataclass(frozen=True)
class Generation:
    """The generation of a video.

    Attributes:
        num_latents: generated latent frames.
        context_budget_latents: most latent frames in the attention, the block included.
        facts: facts for the leaderboard.
        timings_s: seconds by stage; docs/records.md explains each.
        memory_mib: peak memory of host and device, and of keys and values; None if unknown.
        machine: CPU, GPU and versions.
        kernels: compute kernels that were used.
        batch: videos that one worker made in step, this one included, in the mean over its blocks.
    """

    num_latents: int
    context_budget_latents: int
    facts: Facts
    timings_s: dict[str, float]
    memory_mib: dict[str, float | None]
    machine: Machine
    kernels: dict[str, str | bool]
    batch: float = 1


@dataclass(frozen=True)
class Origin:
    """The origin of a video that Longtake did not generate.

    Attributes:
        file: name of the imported file, or "command" for the video of an external generator.
        fps: exact frame rate, as a fraction ("30000/1001").
        num_latents: latent frames that the external generator was asked for; None for a file.
        licence: that of the weights of the external generator; None for a file.
        end_to_end_s: seconds that its command and the checks of the video took; None for a file.
    """

    file: str
    fps: str
    num_latents: int | None = None
    licence: str | None = None
    end_to_end_s: float | None = None

    def __post_init__(self) -> None:
        if Fraction(self.fps) <= 0:
            raise ValueError(f"fps {self.fps!r}")


@dataclass(frozen=True)
class Length:
    """The length of a finished video.

    Attributes:
        num_frames: video frames.
        duration_s: seconds.
        num_latents: latent frames that were generated, or that an external generator was asked
            for; None for an imported file.
        origin_fps: exact frame rate of a video made elsewhere, as a fraction; None for one made
            here.
    """

    num_frames: int
    duration_s: float
    num_latents: int | None
    origin_fps: str | None

    def frames_of(self, duration_s: float) -> int | None:
        """Count the video frames of the first `duration_s` seconds; None if there are fewer."""
        if duration_s == WHOLE_S:
            return self.num_frames
        if self.num_latents is None:
            assert self.origin_fps is not None
            # The frames of a latent frame are unknown: a video reaches a duration if at most a
            # quarter of a second is missing, as at the end of a decoded latent frame.
            return frames_by_time(duration_s, Fraction(self.origin_fps), self.num_frames)
        exact = duration_s * self.num_latents / self.duration_s
        num_latents = round(exact)
        if abs(exact - num_latents) > 1e-6 or not 0 < num_latents <= self.num_latents:
            return None
        return self.decoded(num_latents)

    def decoded(self, num_latents: int) -> int:
        """Count the video frames that the first `num_latents` latent frames decode to."""
        if num_latents == 0:
            return 0
        assert self.num_latents is not None
        frames_per_latent = (self.num_frames - 1) // max(1, self.num_latents - 1)
        return 1 + frames_per_latent * (num_latents - 1)


@dataclass(frozen=True)
class Record:
    """Everything known about a finished unit; written last, beside its video.

    Attributes:
        unit_id: the unit.
        identity: the settings whose hash is the id.
        prompt: its prompt.
        seed: seed of all noise.
        num_frames: video frames.
        duration_s: length in seconds.
        fps: video frames per second, rounded down.
        width: pixels.
        height: pixels.
        video: the video file.
        finished: time of completion, UTC.
        generation: details of the generation; None for an imported video.
        origin: source of an imported video; None for a generated one.
        script: the segments if the prompt changes; `prompt` is then that of the first.
    """

    SCHEMA: ClassVar[int] = 2

    unit_id: str
    identity: dict[str, Any]
    prompt: Prompt
    seed: int
    num_frames: int
    duration_s: float
    fps: int
    width: int
    height: int
    video: VideoFile
    finished: str
    generation: Generation | None = None
    origin: Origin | None = None
    script: RecordedScript | None = None

    def __post_init__(self) -> None:
        if (self.generation is None) == (self.origin is None):
            raise ValueError("a video is either generated or imported")
        if self.num_frames < 1 or self.fps < 1:
            raise ValueError(f"{self.num_frames} frames at {self.fps} a second")

    @property
    def length(self) -> Length:
        """Its length."""
        made = self.generation or self.origin
        return Length(
            self.num_frames,
            self.duration_s,
            made.num_latents if made else None,
            self.origin.fps if self.origin else None,
        )

    def frames_of(self, duration_s: float) -> int | None:
        """Count the video frames of the first `duration_s` seconds; None if there are fewer."""
        return self.length.frames_of(duration_s)

    def segment_starts(self) -> tuple[int, ...]:
        """Return the first video frame of each segment; one segment for a single prompt."""
        if self.script is None:
            return (0,)
        return tuple(self.length.decoded(s.first_latent) for s in self.script.segments)

    def block_frames(self) -> int | None:
        """Return the video frames of a block after the first; None where that isn't known."""
        if self.script is None or self.script.block_latents is None:
            return None
        return self.length.decoded(self.script.block_latents + 1) - 1


def frames_by_time(duration_s: float, fps: Fraction, num_frames: int) -> int | None:
    """Count the frames of the first `duration_s` seconds by frame rate; None if it is shorter."""
    asked = round(Fraction(duration_s).limit_denominator(10**6) * fps)
    if asked < 1 or Fraction(asked - num_frames) > fps / 4:
        return None
    return min(asked, num_frames)


def now() -> str:
    """Return the time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
