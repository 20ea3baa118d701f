"""Controls at equal budget: the layout of retrieval, with frames chosen without looking at them.

They show whether similarity search helps, or whether any old frames would do as well.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ConfigError, StoreError
from methods.base import RolloutSpec
from methods.retrieval import Retrieval, Selection
from methods.trace import AttendedFrames, read_trace


@dataclass
class Random(Retrieval):
    """Frames drawn at random; the draw depends on the seed of the unit and on the block only."""

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        draw = random.Random(f"{self._rollout.seed}/{first_frame}")
        count = min(self.memory_latents, len(candidates))
        return Selection(tuple(sorted(draw.sample(candidates, count))), None)


@dataclass
class Uniform(Retrieval):
    """Frames spaced evenly over the candidates, both ends included."""

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        count = min(self.memory_latents, len(candidates))
        last = len(candidates) - 1
        steps = max(count - 1, 1)
        return Selection(tuple(candidates[round(i * last / steps)] for i in range(count)), None)


@dataclass
class Recency(Retrieval):
    """The newest candidates."""

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        return Selection(tuple(candidates[-self.memory_latents :]), None)

    def reach(self, first_frame: int) -> tuple[int, ...]:
        sink = range(min(self.sink_latents, first_frame))
        span = self._rollout.budget_latents + self.recent_exclude_latents + self.memory_latents
        return (*sink, *range(max(len(sink), first_frame - span), first_frame))


@dataclass
class Oldest(Retrieval):
    """The oldest candidates, equivalent to a sink of sink_latents + memory_latents frames."""

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        return Selection(tuple(candidates[: self.memory_latents]), None)

    def reach(self, first_frame: int) -> tuple[int, ...]:
        oldest = range(min(self.sink_latents + self.memory_latents, first_frame))
        room = self._rollout.past_latents
        return (*oldest, *range(max(len(oldest), first_frame - room), first_frame))


@dataclass
class Lag(Retrieval):
    """Frames at a fixed distance in the past, starting `lag_latents` before the block.

    In a world with a known period they show the last visit, without any comparison of frames. If
    the period changes, this control fails and similarity search does not. Blocks that begin before
    `lag_latents` get no memory.

    Args:
        lag_latents: latent frames between the first frame of the block and the first one retrieved.
    """

    lag_latents: int = 32

    def reset(self, rollout: RolloutSpec) -> None:
        """Start a new video.

        Raises:
            ConfigError: a lag that leads into the window or its guard.
        """
        super().reset(rollout)
        window = rollout.budget_latents - self.sink_latents
        least = window + self.recent_exclude_latents + max(1, self.memory_latents)
        if self.lag_latents < least:
            raise ConfigError(
                f"lag_latents={self.lag_latents} leads to frames that may not be retrieved yet: "
                f"with this window, guard and memory it must be at least {least}."
            )

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Return the frames of a lag ago that are candidates."""
        first = first_frame - self.lag_latents
        wanted = range(first, first + self.memory_latents)
        return Selection(tuple(frame for frame in wanted if frame in candidates), None)

    def reach(self, first_frame: int) -> tuple[int, ...]:
        """Return the sink and everything that is not older than the lag."""
        sink = range(min(self.sink_latents, first_frame))
        return (*sink, *range(max(len(sink), first_frame - self.lag_latents), first_frame))


@dataclass
class Oracle(Retrieval):
    """Memory frames read from a trace.jsonl, matched by the first frame of the block.

    Any past frame is allowed, even one that retrieval could not choose. Blocks that the trace does
    not name get no memory.

    Args:
        trace: path of a trace.jsonl (one JSON object a line with first_frame, frames and roles).
    """

    trace: str = ""

    def reset(self, rollout: RolloutSpec) -> None:
        super().reset(rollout)
        # A trace counts frames from the start of the video.
        self._memory_by_block = _read_memory(self._trace_path(), self.memory_latents)

    def identity(self) -> dict[str, str]:
        """Return the frames of the trace, which replace its path in the identity."""
        return {"trace": hashlib.sha256(self._trace_path().read_bytes()).hexdigest()}

    def candidates(self, first_frame: int) -> range:
        """Return all past frames after the sink."""
        return range(self.sink_latents, max(self.sink_latents, first_frame))

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        start = self._rollout.start_latent
        given = self._memory_by_block.get(first_frame + start, ())
        frames = (frame - start for frame in given)
        return Selection(tuple(frame for frame in frames if frame in candidates), None)

    def _trace_path(self) -> Path:
        if not self.trace:
            raise ConfigError(
                "method oracle needs the frames to attend: method.trace=PATH of a trace.jsonl."
            )
        path = Path(self.trace)
        if not path.is_file():
            raise ConfigError(f"method.trace: no file {self.trace!r}.")
        return path


def _read_memory(path: Path, limit: int) -> dict[int, tuple[int, ...]]:
    memory_by_block = {}
    for line in read_trace(path, AttendedFrames):
        if isinstance(line, StoreError):
            raise line
        memory_by_block[line.first_frame] = memory = line.memory_frames
        if len(memory) > limit:
            raise ConfigError(
                f"{path}, block at latent {line.first_frame} names {len(memory)} memory frames; "
                f"memory_latents={limit}."
            )
    return memory_by_block
