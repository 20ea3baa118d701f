"""Writer of a unit's video, frame by frame: H.264 that browsers play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    import numpy as np
    from av.video.stream import VideoStream

# With one thread and no look-ahead the same frames give the same bytes, and a shorter video decodes
# to exactly the first frames of a longer one.
_ENCODER = {
    "crf": "16",
    "preset": "veryfast",
    "tune": "zerolatency",
    "x264-params": "threads=1:keyint=32:min-keyint=32:scenecut=0",
}


class VideoWriter:
    """Encoder of RGB frames into an .mp4 file; a context manager.

    Args:
        path: file to write.
        fps: frames per second.
        width: pixels, even.
        height: pixels, even.
    """

    def __init__(self, path: Path, fps: int, width: int, height: int) -> None:
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        stream: VideoStream = self._container.add_stream("libx264", rate=fps, options=_ENCODER)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        self._stream = stream
        self._frame_s = Fraction(1, fps)
        self._num_frames = 0

    def write(self, frames_FHWC: np.ndarray) -> None:
        """Append frames: RGB, uint8."""
        for frame_HWC in frames_FHWC:
            frame = av.VideoFrame.from_ndarray(frame_HWC, format="rgb24")
            frame.pts, frame.time_base = self._num_frames, self._frame_s
            self._container.mux(self._stream.encode(frame))
            self._num_frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._container.mux(self._stream.encode())
        self._container.close()
