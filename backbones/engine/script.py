"""Scripts: videos whose prompt changes at given times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.weights_files import file_sha256


class Switch(StrEnum):
    """The treatment of past frames when the prompt changes.

    keep: their keys and values stay; only the blocks to come see the new prompt.
    recache: those of the window are computed again from clean latents under the new prompt.
    flush: they are dropped, and the strategy starts over with the first frame of the segment.
    """

    keep = "keep"
    recache = "recache"
    flush = "flush"


def given_sha256(path: str) -> str:
    """Return the sha256 of the file of a given segment.

    Raises:
        ConfigError: there is no such file.
    """
    if not Path(path).is_file():
        raise ConfigError(f"The given segment: there is no file {path!r}.")
    return file_sha256(Path(path))


@dataclass(frozen=True)
class Segment:
    """A stretch of a video with one prompt.

    Attributes:
        seconds: its length; the last segment of a script lasts to the end of the video.
        prompt: generation prompt.
        evaluation_prompt: text that metrics compare the segment with; None for the prompt itself.
        given: file with the latents or the video of the segment, which is then not made; only the
            first one of a script may be given.
    """

    seconds: float
    prompt: str
    evaluation_prompt: str | None = None
    given: str | None = None

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and math.isfinite(self.seconds)):
            raise ValueError(f"seconds must be a number above 0, got {self.seconds:g}")
        if not self.prompt.strip():
            raise ValueError("the prompt is empty")

    @property
    def evaluation_text(self) -> str:
        """Return the text that metrics compare the segment with."""
        return self.evaluation_prompt or self.prompt


@dataclass(frozen=True)
class Script:
    """The segments of one video.

    Attributes:
        segments: in order, at least one.
        switch: what happens to the past when the prompt changes.
    """

    segments: tuple[Segment, ...]
    switch: Switch = Switch.keep

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a script needs at least one segment")
        if any(segment.given for segment in self.segments[1:]):
            raise ValueError("only the first segment may be given")
        if self.given and len(self.segments) == 1:
            raise ValueError("a given segment needs one after it, which is made")

    @property
    def given(self) -> str | None:
        """Return the file of the given beginning; None without one."""
        return self.segments[0].given

    @property
    def prompts(self) -> tuple[str, ...]:
        """Return the generation prompt of each segment."""
        return tuple(segment.prompt for segment in self.segments)

    @property
    def evaluation_prompts(self) -> tuple[str, ...]:
        """Return the text that metrics compare each segment with."""
        return tuple(segment.evaluation_text for segment in self.segments)

    def __str__(self) -> str:
        ends_s = accumulate(segment.seconds for segment in self.segments)
        later = zip(ends_s, self.prompts[1:], strict=False)
        return " → ".join([self.prompts[0], *(f"{s:g} s: {prompt}" for s, prompt in later)])

    def identity(self) -> dict[str, Any]:
        """Return what changes pixels, as JSON."""
        segments: list[dict[str, Any]] = [
            {"seconds": float(segment.seconds), "prompt": segment.prompt}
            for segment in self.segments
        ]
        if self.given:
            segments[0]["given_sha256"] = given_sha256(self.given)
        return {"segments": segments, "switch": str(self.switch)}

    def starts(self, latents_per_s: float, block_latents: int) -> tuple[int, ...]:
        """Return the first latent frame of each segment, always the first of a block.

        A segment that begins inside a block takes effect with the next one.

        Raises:
            ConfigError: no block begins within a segment, so its prompt would never be used.
        """
        begins_s = [0.0, *accumulate(segment.seconds for segment in self.segments[:-1])]
        # Sums of decimal fractions miss the start of a block by a few units in the last place.
        blocks = [math.ceil(s * latents_per_s / block_latents - 1e-6) for s in begins_s]
        for number, (block, later) in enumerate(pairwise(blocks), start=1):
            if block == later:
                raise ConfigError(
                    f"Segment {number} ({self.segments[number - 1].seconds:g} s, "
                    f"{self.segments[number - 1].prompt[:40]!r}): no block begins within it, so "
                    "its prompt would never be used. Blocks last "
                    f"{block_latents / latents_per_s:g} s; give it at least that."
                )
        return tuple(block * block_latents for block in blocks)


@dataclass(frozen=True)
class Schedule:
    """A script in latent frames.

    Attributes:
        prompts: prompt of each segment.
        seconds: length of each segment; infinite for a video with one prompt.
        starts: first latent frame of each segment.
        switch: what happens to the past when the prompt changes.
    """

    prompts: tuple[str, ...]
    seconds: tuple[float, ...]
    starts: tuple[int, ...]
    switch: Switch

    @classmethod
    def of(cls, script: Script | str, latents_per_s: float, block_latents: int) -> Schedule:
        """Return the schedule of a script, or of a single prompt."""
        if isinstance(script, str):
            return cls((script,), (math.inf,), (0,), Switch.keep)
        return cls(
            script.prompts,
            tuple(segment.seconds for segment in script.segments),
            script.starts(latents_per_s, block_latents),
            script.switch,
        )

    def index(self, first_frame: int) -> int:
        """Return the index of the segment of the block that starts at `first_frame`."""
        return sum(start <= first_frame for start in self.starts) - 1

    def switches_at(self, first_frame: int) -> bool:
        """Tell if the block that starts at `first_frame` has another prompt than the one before."""
        return first_frame > 0 and first_frame in self.starts

    def restarts_at(self, first_frame: int) -> bool:
        """Tell if the past is dropped before the block that starts at `first_frame`."""
        return self.switch is Switch.flush and self.switches_at(first_frame)

    def parts(self, num_latents: int) -> Iterator[range]:
        """Yield the stretches of a rollout in which nothing is dropped; one unless `flush`."""
        cuts = [start for start in self.starts if self.restarts_at(start) and start < num_latents]
        for first, end in pairwise([0, *cuts, num_latents]):
            yield range(first, end)
