"""Videos that browsers play: H.264 in 4:2:0, with the index before the pictures (fast start)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
from av.video.stream import VideoStream

from eval.video.decode import shown_stream
from harness.core.files import replacing

_ENCODER = {"crf": "18", "preset": "veryfast", "x264-params": "keyint=32"}


def why_not_playable(path: Path) -> str | None:
    """Return why a browser may refuse the video or must load all of it first; None if it is fine.

    Raises:
        av.FFmpegError, OSError: not a readable video.
    """
    with av.open(str(path)) as container:
        stream = shown_stream(container)
        if stream is None:
            return "it has no video stream"
        if len(container.streams.video) > 1:
            return "it has several video streams"
        context = stream.codec_context
        if context.name != "h264":
            return f"its codec is {context.name}, not H.264"
        if context.pix_fmt not in ("yuv420p", "yuvj420p"):
            return f"its pixels are {context.pix_fmt}, not yuv420p"
    return None if _has_fast_start(path) else "its index is at the end (no fast start)"


def copy_playable(source: Path, target: Path) -> None:
    """Copy a video, remuxed or encoded again if browsers would not play it at once.

    Raises:
        av.FFmpegError, OSError, ValueError: not a readable video.
    """
    reason = why_not_playable(source)
    with replacing(target, durable=False) as fresh:
        if reason is None:
            shutil.copyfile(source, fresh)
        elif "fast start" in reason:
            _repack(source, fresh)
        else:
            _encode(source, fresh)


def _has_fast_start(path: Path) -> bool:
    """Check if the box `moov` stands before the box `mdat`; other containers have no such boxes."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                break
            file.seek(size - 8, os.SEEK_CUR)
    return False


def _repack(source: Path, target: Path) -> None:
    with (
        av.open(str(source)) as read,
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as written,
    ):
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                written.mux(packet)


def _encode(source: Path, target: Path) -> None:
    with (
        av.open(str(source)) as read,
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as written,
    ):
        stream = shown_stream(read)
        if stream is None:
            raise ValueError("it has no video stream")
        # H.264 in 4:2:0 needs even sizes.
        width, height = stream.width // 2 * 2, stream.height // 2 * 2
        copy: VideoStream = written.add_stream(
            "libx264", rate=stream.average_rate, options=_ENCODER
        )
        copy.width, copy.height, copy.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(read.decode(stream)):
            if number == 0 and frame.rotation:
                copy.set_display_rotation(frame.rotation)
            written.mux(copy.encode(frame.reformat(width, height, format="yuv420p")))
        written.mux(copy.encode())
