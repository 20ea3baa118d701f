"""Clips cut from the video and encoded again, as VBench-Long scores them.

The official code writes every clip with torchvision's write_video (libx264, default quality,
yuv420p) and scores the frames decoded from that file. Here each clip is encoded once, in one pass
over the video, and the files are kept: x264 is not bit-deterministic, so numbers are comparable
only on the same files. `clips.json` beside them records the encoder and the digest of each file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.stream import VideoStream

from eval.errors import MetricUnavailable
from eval.video.decode import read_frames
from eval.video.split import Span, stream_clips
from harness.core.errors import ConfigError, StoreError
from harness.core.files import replacing
from harness.core.typed_files import read_typed, write_typed

# x264's output depends on its number of threads. The official default follows the number of cores,
# so the same video would give other clips on another machine.
DEFAULT_THREADS = 1
_CODEC: Final = "libx264"


@dataclass(frozen=True)
class ClipEncoder:
    """Settings and versions of the encoder of clips; with `threads` 0 x264 chooses the number."""

    codec: str
    pixel_format: str
    options: tuple[tuple[str, str], ...]
    threads: int
    pyav: str
    libavcodec: str


def official_encoder() -> ClipEncoder:
    """Return the settings of torchvision's write_video, with LONGTAKE_X264_THREADS threads (1).

    Raises:
        ConfigError: the variable is not a whole number.
    """
    threads = os.environ.get("LONGTAKE_X264_THREADS", str(DEFAULT_THREADS))
    if not threads.isdecimal():
        raise ConfigError(f"LONGTAKE_X264_THREADS is {threads!r}; expected a whole number.")
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return ClipEncoder(_CODEC, "yuv420p", (), int(threads), av.__version__, version)


def encode(path: Path, frames_FHWC: np.ndarray, fps: int, encoder: ClipEncoder) -> None:
    """Write frames with the settings of the official code.

    Raises:
        MetricUnavailable: odd width or height, which yuv420p cannot hold.
    """
    height, width = frames_FHWC.shape[1:3]
    if height % 2 or width % 2:
        raise MetricUnavailable(
            f"VBench-Long encodes clips as {encoder.pixel_format}, which needs an even width and "
            f"height; the video is {width}x{height}"
        )
    with replacing(path) as fresh, av.open(str(fresh), "w") as container:
        stream: VideoStream = container.add_stream(_CODEC, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, encoder.pixel_format
        stream.options = dict(encoder.options)
        stream.thread_count = encoder.threads
        for image_HWC in frames_FHWC:
            frame = av.VideoFrame.from_ndarray(image_HWC, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@dataclass(frozen=True)
class _Clips:
    """The content of clips.json: what the clips were made of, and the sha256 of each."""

    video_sha256: str
    fps: int
    encoder: ClipEncoder
    digests: dict[str, str]


class ClipFiles:
    """The encoded clips of one video.

    Args:
        folder: folder of the files.
        video: the video they are cut from.
        video_sha256: digest of the video; clips of another content are encoded again.
        fps: frames per second, rounded down.
    """

    def __init__(self, folder: Path, video: Path, video_sha256: str, fps: int) -> None:
        self._folder = folder
        self._video = video
        self._fps = fps
        self.encoder = official_encoder()
        self._none = _Clips(video_sha256, fps, self.encoder, {})

    def path(self, span: Span) -> Path:
        """Return the file of one clip."""
        return clip_path(self._folder, span)

    def read(self, spans: Sequence[Span], num_frames: int) -> Iterator[np.ndarray]:
        """Yield the frames (frame, height, width, 3) of each clip, decoded from its file.

        Clips that are missing, or differ from what `clips.json` records, are encoded first. The
        video is decoded once, or not at all if every clip is there.

        Args:
            spans: clips sorted by start and by end.
            num_frames: number of frames to read from the video.

        Raises:
            VideoDamaged: the video cannot be read.
            MetricUnavailable: its frames cannot be encoded.
        """
        known = self._known()
        missing = [span for span in spans if _sha256(self.path(span)) != known.get(_name(span), "")]
        if missing:
            sources = stream_clips(read_frames(self._video, num_frames), spans)
        for span in spans:
            # The decode is sequential: with any clip missing, the frames of all must be taken.
            frames_FHWC = next(sources) if missing else None
            if span in missing:
                assert frames_FHWC is not None
                encode(self.path(span), frames_FHWC, self._fps, self.encoder)
                known[_name(span)] = _sha256(self.path(span))
                self._note(known)  # after each clip, so that a stopped run keeps what it encoded
            yield np.stack(list(read_frames(self.path(span))))

    def openings(self, name: str, firsts_FHWC: np.ndarray) -> np.ndarray:
        """Return the first frames of several clips, written as one video and decoded again.

        Args:
            name: name of the file, without suffix.
            firsts_FHWC: one frame per clip.
        """
        path = self._folder / f"{name}.mp4"
        # The frames change when clips are encoded again, so their digest is part of the key.
        made_of = hashlib.sha256(firsts_FHWC.tobytes()).hexdigest()
        known = self._known()
        if known.get(f"{name} of {made_of}", "") != _sha256(path):
            encode(path, firsts_FHWC, self._fps, self.encoder)
            known = {key: value for key, value in known.items() if not key.startswith(f"{name} of")}
            self._note(known | {f"{name} of {made_of}": _sha256(path)})
        return np.stack(list(read_frames(path)))

    def _known(self) -> dict[str, str]:
        """Return the recorded sha256 by clip; none of another video or other settings."""
        try:
            notes = read_typed(self._folder / "clips.json", _Clips)
        except (OSError, StoreError):
            return {}
        return notes.digests if replace(notes, digests={}) == self._none else {}

    def _note(self, digests: dict[str, str]) -> None:
        write_typed(self._folder / "clips.json", replace(self._none, digests=digests))


def clip_path(folder: Path, span: Span) -> Path:
    """Return the file of one clip in the folder of its video."""
    return folder / f"{span.start:06d}-{span.end:06d}.mp4"


def _name(span: Span) -> str:
    return f"{span.start}-{span.end}"


def _sha256(path: Path) -> str:
    """Return the digest of a file; for a missing one a word that equals no digest."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"
