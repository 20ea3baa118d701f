"""The record of a finished unit: the file whose existence says that the unit is done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class VideoFile:
    """The finished video, as it was when the record was written."""

    file: str
    sha256: str
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> VideoFile:
        """Describe a file."""
        stat = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path.name, digest, stat.st_size, stat.st_mtime_ns)

    def matches(self, folder: Path) -> bool:
        """Whether the file is still that video; hashed only if it was touched since."""
        path = folder / self.file
        if not path.is_file() or path.stat().st_size != self.bytes:
            return False
        return path.stat().st_mtime_ns == self.mtime_ns or VideoFile.of(path).sha256 == self.sha256


@dataclass(frozen=True)
class Record:
    """What is known of a finished unit; written beside its video.

    Attributes:
        schema: version of this layout.
        unit_id: the unit.
        identity: what the id is the hash of.
        prompt: {"id", "text", "evaluation_text", "set"}.
        seed: seed of all noise.
        num_latents: latent frames made.
        num_frames: video frames.
        duration_s: length asked for, in seconds.
        fps: video frames per second.
        width: pixels.
        height: pixels.
        context_budget_latents: frames attention could see, the block included.
        video: the video file.
        timings_s: see docs/records.md.
        memory_mib: peak host and device memory.
        environment: machine and versions.
        finished: time of writing, UTC.
        facts: what a reader of the leaderboard must know of the backbone, see docs/records.md.
    """

    schema: int
    unit_id: str
    identity: dict[str, Any]
    prompt: dict[str, str]
    seed: int
    num_latents: int
    num_frames: int
    duration_s: float
    fps: int
    width: int
    height: int
    context_budget_latents: int
    video: VideoFile
    timings_s: dict[str, float]
    memory_mib: dict[str, float | None]
    environment: dict[str, Any]
    finished: str
    facts: dict[str, Any] = field(default_factory=dict)

    def frames_of(self, duration_s: float) -> int | None:
        """Video frames of the first `duration_s` seconds; None if it has no such prefix."""
        if self.facts.get("imported"):
            return self._frames_of_imported(duration_s)
        exact = duration_s * self.num_latents / self.duration_s
        num_latents = round(exact)
        if abs(exact - num_latents) > 1e-6 or not 0 < num_latents <= self.num_latents:
            return None
        frames_per_latent = (self.num_frames - 1) // max(1, self.num_latents - 1)
        return 1 + frames_per_latent * (num_latents - 1)

    def _frames_of_imported(self, duration_s: float) -> int | None:
        """Frames counted by time: nobody says how many there are in a latent frame.

        A video reaches a duration if a quarter of a second is missing, as at the end of a decoded
        latent frame.
        """
        return frames_by_time(duration_s, Fraction(self.facts["fps"]), self.num_frames)


def frames_by_time(duration_s: float, fps: Fraction, num_frames: int) -> int | None:
    """Frames of the first `duration_s` seconds of a video of any origin; None if it is shorter."""
    asked = round(Fraction(duration_s).limit_denominator(10**6) * fps)
    if asked < 1 or Fraction(asked - num_frames) > fps / 4:
        return None
    return min(asked, num_frames)


def now() -> str:
    """The time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
