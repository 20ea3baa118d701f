from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.run.video_pipeline import VideoPipeline

CPU = torch.device("cpu")


class Decoder:
    """One frame of a latent's own brightness."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents.to(torch.uint8)[:, None, None, None].expand(-1, 4, 4, 3)


class Writer:
    """Keeps what it is given; fails at a brightness."""

    def __init__(self, fails_at: int = -1) -> None:
        self.brightness: list[int] = []
        self.threads: set[str] = set()
        self._fails_at = fails_at

    def write(self, frames: np.ndarray) -> None:
        for frame in frames:
            if frame[0, 0, 0] == self._fails_at:
                raise OSError("disk full")
            self.brightness.append(int(frame[0, 0, 0]))
        self.threads.add(threading.current_thread().name)


def latents(block: int) -> torch.Tensor:
    return torch.arange(3 * block, 3 * block + 3)


def test_frames_arrive_in_order_from_another_thread() -> None:
    writer = Writer()
    with VideoPipeline(Decoder(), writer, CPU) as video:
        for block in range(20):
            video.push(latents(block))
    assert writer.brightness == list(range(60))
    assert writer.threads == {"video writer"}
    assert len(video.decode_s()) == 20
    assert video.encode_s > 0


def test_an_error_of_the_writer_reaches_the_rollout_and_nothing_hangs() -> None:
    writer = Writer(fails_at=5)
    with (
        pytest.raises(OSError, match="disk full"),
        VideoPipeline(Decoder(), writer, CPU) as video,
    ):
        for block in range(20):
            video.push(latents(block))
    assert writer.brightness == [0, 1, 2, 3, 4]


def test_an_error_at_the_very_end_is_raised_too() -> None:
    with (
        pytest.raises(OSError, match="disk full"),
        VideoPipeline(Decoder(), Writer(fails_at=1), CPU) as video,
    ):
        video.push(latents(0))


def test_an_error_of_the_rollout_ends_the_thread(tmp_path: Path) -> None:
    video = VideoPipeline(Decoder(), Writer(), CPU)
    with pytest.raises(KeyboardInterrupt), video:
        video.push(latents(0))
        raise KeyboardInterrupt
    assert not any(thread.name == "video writer" for thread in threading.enumerate())
