"""The rollout of one video: alone, and with its decoder beside it; the decoder alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from backbones.engine.lanes import Moment
from harness.run.video_pipeline import FrameWriter, NoWriter, VideoPipeline
from harness.run.video_writer import VideoWriter

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from backbones.engine.rollout import Rollout
    from harness.config.sweep import Settings
    from harness.run.prepared import PreparedUnit

_PROFILED_BLOCKS = 2


@dataclass(frozen=True)
class Timed:
    """One rollout, timed.

    Attributes:
        rollout: the rollout.
        blocks: its blocks.
        total_s: seconds from the first noise to the end of all work.
        first_frames_s: seconds to the first frames in host memory; infinite without a decoder.
        encode_s: seconds of writing the frames.
    """

    rollout: Rollout
    blocks: tuple[Block, ...]
    total_s: float
    first_frames_s: float
    encode_s: float

    def period_s(self) -> float:
        """Return the seconds from the start of a block to that of the next one.

        The median of the second half of the video; for a single block its own time. What lies
        between two blocks counts, such as waiting for the decoder.
        """
        begins = [block.moments.whole[0] for block in self.blocks]
        periods_s = [later.seconds_since(begin) for begin, later in pairwise(begins)]
        later = periods_s[len(periods_s) // 2 :]
        return median(later or [self.blocks[0].timings().whole_s])


@dataclass(frozen=True)
class BenchedVideo:
    """A unit to be generated several times.

    Attributes:
        prepared: the unit.
        backbone: its backbone, loaded.
        settings: settings of the sweep.
    """

    prepared: PreparedUnit
    backbone: Backbone
    settings: Settings

    def alone(self, trace: Path | None) -> Timed:
        """Roll out without decoding; write a torch trace of the last blocks, if asked."""
        unit, spec = self.prepared.unit, self.backbone.spec
        begin_at = max(1, unit.num_latents // spec.block_latents - _PROFILED_BLOCKS)
        with _profiling(trace) as start_profile:
            return self._roll_out(None, lambda made: made == begin_at and start_profile())

    def with_decoder(self, path: Path | None) -> Timed:
        """Roll out with the decoder beside it; write the .mp4, if a path is given."""
        geometry = self.backbone.spec.geometry
        with ExitStack() as stack:
            inner: FrameWriter = NoWriter()
            if path is not None:
                video = VideoWriter(path, geometry.fps, geometry.width, geometry.height)
                inner = stack.enter_context(video)
            return self._roll_out(_Noting(inner), lambda _: None)

    @torch.inference_mode()
    def decoder_alone(self, blocks: Sequence[Tensor]) -> list[float]:
        """Decode the latents of a video block by block; return the seconds of each."""
        decoder, device = self.backbone.start_decoder(), self.backbone.device
        moments = [Moment(device)]
        for latents in blocks:
            decoder.decode(latents)
            moments.append(Moment(device))
        return [later.seconds_since(begin) for begin, later in pairwise(moments)]

    def _roll_out(self, writer: _Noting | None, on_block: Callable[[int], object]) -> Timed:
        backbone = self.backbone
        started = time.perf_counter()
        rollout = self.prepared.start(backbone, self.settings.runtime)
        blocks: list[Block] = []
        encode_s = 0.0
        with ExitStack() as stack:
            pipeline = None
            if writer is not None:
                pipeline = VideoPipeline(backbone.start_decoder(), writer, backbone.device)
                stack.enter_context(pipeline)
            for block in rollout.blocks():
                blocks.append(block)
                if pipeline is not None:
                    pipeline.push(block.latents)
                on_block(len(blocks))
        if pipeline is not None:
            encode_s = pipeline.encode_s
        blocks[-1].timings()  # waits for the device
        total_s = time.perf_counter() - started
        first_s = float("inf") if writer is None else writer.first_at_s - started
        return Timed(rollout, tuple(blocks), total_s, first_s, encode_s)


class _Noting:
    """Notes when the first frames arrive, and passes all on."""

    def __init__(self, inner: FrameWriter) -> None:
        self.first_at_s = float("inf")
        self._inner = inner

    def write(self, frames_FHWC: np.ndarray) -> None:
        self.first_at_s = min(self.first_at_s, time.perf_counter())
        self._inner.write(frames_FHWC)


@contextmanager
def _profiling(path: Path | None) -> Iterator[Callable[[], None]]:
    """Yield a function that starts the profile, which is written when the `with` block ends."""
    if path is None:
        yield lambda: None
        return
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    profiler = torch.profiler.profile(activities=activities)
    try:
        yield profiler.start
    finally:
        profiler.stop()
    path.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(path))
