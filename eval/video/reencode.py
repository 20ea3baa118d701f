"""Clips as VBench-Long sees them: cut from the video and encoded again.

The official code writes every clip with torchvision's write_video (libx264, default quality,
yuv420p) and scores what comes back from that file. The same is done here once per clip, in one pass
over the video, and the files are kept: x264 need not give the same bytes twice, so numbers are
comparable only on the same files. `clips.json` beside them says what encoded them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.stream import VideoStream

from eval.errors import MetricUnavailable
from eval.video.decode import read_frames
from eval.video.split import Span, stream_clips
from harness.core.errors import LongtakeError
from harness.core.files import replacing, write_json

# One thread: the official automatic number, which follows the cores, gives other bytes elsewhere.
DEFAULT_THREADS = 1
_CODEC: Final = "libx264"


@dataclass(frozen=True)
class ClipEncoder:
    """What encodes clips. `threads` 0 lets x264 choose by the number of cores."""

    codec: str
    pixel_format: str
    options: tuple[tuple[str, str], ...]
    threads: int
    pyav: str
    libavcodec: str


def official_encoder() -> ClipEncoder:
    """The settings of torchvision's write_video, with LONGTAKE_X264_THREADS threads (default 1).

    Raises:
        LongtakeError: the variable is no whole number.
    """
    threads = os.environ.get("LONGTAKE_X264_THREADS", str(DEFAULT_THREADS))
    if not threads.isdecimal():
        raise LongtakeError(f"LONGTAKE_X264_THREADS is {threads!r}; expected a whole number.")
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return ClipEncoder(_CODEC, "yuv420p", (), int(threads), av.__version__, version)


def encode(path: Path, frames_FHWC: np.ndarray, fps: int, encoder: ClipEncoder) -> None:
    """Write frames as the official code writes a clip.

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


class ClipFiles:
    """The encoded clips of one video.

    Args:
        folder: where they are kept.
        video: the video they are cut from.
        video_sha256: its content; clips of another one are made anew.
        fps: frames per second, rounded down.
    """

    def __init__(self, folder: Path, video: Path, video_sha256: str, fps: int) -> None:
        self._folder = folder
        self._video = video
        self._fps = fps
        self.encoder = official_encoder()
        self._made_by = {"video_sha256": video_sha256, "fps": fps, "encoder": _plain(self.encoder)}

    def path(self, span: Span) -> Path:
        """The file of one clip."""
        return clip_path(self._folder, span)

    def read(self, spans: Sequence[Span], num_frames: int) -> Iterator[np.ndarray]:
        """The frames (frame, height, width, 3) of each clip, decoded from its file.

        Clips that are missing, or no longer what `clips.json` says, are encoded first. The video is
        decoded at most once, and not at all when every clip is there.

        Args:
            spans: clips sorted by start and by end.
            num_frames: frames to read of the video.

        Raises:
            VideoDamaged: the video cannot be read.
            MetricUnavailable: its frames cannot be encoded.
        """
        known = self._known()
        missing = [span for span in spans if _sha256(self.path(span)) != known.get(_name(span), "")]
        if missing:
            sources = stream_clips(read_frames(self._video, num_frames), spans)
        for span in spans:
            frames_FHWC = next(sources) if missing else None
            if span in missing:
                assert frames_FHWC is not None
                encode(self.path(span), frames_FHWC, self._fps, self.encoder)
                known[_name(span)] = _sha256(self.path(span))
                self._note(known)
            yield np.stack(list(read_frames(self.path(span))))

    def openings(self, name: str, firsts_FHWC: np.ndarray) -> np.ndarray:
        """The first frames of several clips, written as one video and read back.

        Args:
            name: of the file, without suffix.
            firsts_FHWC: one frame per clip.
        """
        path = self._folder / f"{name}.mp4"
        made_of = hashlib.sha256(firsts_FHWC.tobytes()).hexdigest()
        known = self._known()
        if known.get(f"{name} of {made_of}", "") != _sha256(path):
            encode(path, firsts_FHWC, self._fps, self.encoder)
            known = {key: value for key, value in known.items() if not key.startswith(f"{name} of")}
            self._note(known | {f"{name} of {made_of}": _sha256(path)})
        return np.stack(list(read_frames(path)))

    def _known(self) -> dict[str, str]:
        """sha256 of the files, by clip; nothing if they were made otherwise."""
        try:
            notes = json.loads((self._folder / "clips.json").read_text())
            same = all(notes[key] == value for key, value in self._made_by.items())
            return dict(notes["sha256"]) if same else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _note(self, sha256: dict[str, str]) -> None:
        write_json(self._folder / "clips.json", {**self._made_by, "sha256": sha256})


def clip_path(folder: Path, span: Span) -> Path:
    """The file of one clip in the folder of its video."""
    return folder / f"{span.start:06d}-{span.end:06d}.mp4"


def _name(span: Span) -> str:
    return f"{span.start}-{span.end}"


def _plain(encoder: ClipEncoder) -> dict[str, Any]:
    """As JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(encoder)))
    return plain


def _sha256(path: Path) -> str:
    """Of the file; none for a missing one, which equals no digest."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"
