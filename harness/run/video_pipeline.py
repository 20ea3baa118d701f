"""Decoding and writing of the video, beside the rollout.

Decoding runs on its own lane of the GPU while the next block is denoised, and a thread writes the
frames. A short queue makes the rollout wait when either falls behind.
"""

from __future__ import annotations

import queue
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from backbones.engine.lanes import Lane, Moment
from backbones.engine.transfer import Download

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from backbones.engine.backbone import StreamingDecoder

_BLOCKS_AHEAD = 2


class FrameWriter(Protocol):
    """Receiver of the frames: a `VideoWriter`, or anything else."""

    def write(self, frames_FHWC: np.ndarray) -> None:
        """Take the next frames: RGB, uint8."""


class NoWriter:
    """Drops all frames, where only decoding is wanted."""

    def write(self, frames_FHWC: np.ndarray) -> None:
        """Drop the frames."""


class VideoPipeline:
    """Turns clean latents into a video file; a context manager.

    Leaving it without an error waits until all frames are written.

    Args:
        decoder: decoder of this video.
        writer: writer that stays open as long as the pipeline.
        device: device of the latents.
    """

    def __init__(
        self, decoder: StreamingDecoder, writer: FrameWriter, device: torch.device
    ) -> None:
        self._decoder = decoder
        self._writer = writer
        self._device = device
        self._lane = Lane(device, "decode")
        self._queue: queue.Queue[Download | None] = queue.Queue(_BLOCKS_AHEAD)
        self._thread = threading.Thread(target=self._write, name="video writer", daemon=True)
        self._abandoned = False
        self._error: Exception | None = None
        self._decoding: list[tuple[Moment, Moment]] = []
        self._encode_s = 0.0

    def push(self, latents: Tensor) -> None:
        """Decode and write the next latent frames; raises the error of earlier ones."""
        with self._lane.entered():
            self._lane.borrow(latents)
            began = Moment(self._device)
            frames = self._decoder.decode(latents)
            self._decoding.append((began, Moment(self._device)))
            download = Download(frames)
        self._queue.put(download)
        if self._error:
            raise self._error

    def decode_s(self) -> list[float]:
        """Return the seconds of decoding by block; call it after the end."""
        return [ended.seconds_since(began) for began, ended in self._decoding]

    @property
    def encode_s(self) -> float:
        """Return the seconds of writing; read it after the end."""
        return self._encode_s

    def __enter__(self) -> VideoPipeline:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._abandoned = error is not None
        self._queue.put(None)
        self._thread.join()
        if self._error and error is None:
            raise self._error

    def _write(self) -> None:
        """Write what arrives: the body of the thread. After an error it only empties the queue."""
        while (download := self._queue.get()) is not None:
            if self._error or self._abandoned:
                continue
            try:
                frames = download.wait().numpy()
                started = time.perf_counter()
                self._writer.write(frames)
                self._encode_s += time.perf_counter() - started
            except Exception as error:
                self._error = error
