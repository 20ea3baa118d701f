"""Videos side by side with their labels, as one MP4 or WebP for slides and project pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from eval.video.decode import VideoInfo, probe, read_frames
from harness.core.errors import ConfigError, unknown_name
from harness.core.files import replacing
from harness.run.video_writer import VideoWriter
from harness.store.frames import Sweep, as_dicts

SUFFIXES = (".mp4", ".webp")
_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
_LABEL_PX = 24
_WEBP_QUALITY = "80"


@dataclass(frozen=True)
class LabelledVideo:
    """A video of a grid."""

    path: Path
    label: str


@dataclass(frozen=True)
class ChosenVideos:
    """The videos of one prompt and seed, at least one."""

    prompt_id: str
    shown: tuple[LabelledVideo, ...]


def choose_videos(
    sweep: Sweep,
    prompt: str | None = None,
    seed: int | None = None,
    backbones: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
) -> ChosenVideos:
    """Return the videos to show side by side.

    Args:
        sweep: the loaded run stores.
        prompt: id of the prompt; by default the one that most rows have.
        seed: by default the smallest of the prompt.
        backbones: by default all.
        methods: by default all.

    Raises:
        UnknownName: no such prompt, seed, backbone or method.
        ConfigError: no finished video.
    """
    units = sweep.units[sweep.units["status"] == "done"]
    if units.empty:
        raise ConfigError(f"{sweep.name} has no finished video.")
    units = _only(_only(units, "backbone", backbones), "method", methods)
    rows = units.groupby("prompt_id", sort=False).size()
    chosen = _only(units, "prompt_id", [prompt or str(rows.idxmax())])
    chosen = _only(chosen, "seed", [str(chosen["seed"].min() if seed is None else seed)])
    several = chosen["backbone"].nunique() > 1
    shown = [
        LabelledVideo(
            sweep.unit_folder(unit) / unit["video"],
            f"{unit['method']}, {unit['backbone']}" if several else unit["method"],
        )
        for unit in as_dicts(chosen)
    ]
    return ChosenVideos(str(chosen["prompt_id"].iloc[0]), tuple(shown))


def _only(units: pd.DataFrame, column: str, names: Sequence[str] | None) -> pd.DataFrame:
    """Return the lines whose `column` is one of the names; all without names."""
    if names is None:
        return units
    values = units[column].astype(str)
    for name in names:
        if not (values == name).any():
            raise unknown_name(column.removesuffix("_id"), name, sorted(set(values)))
    return units[values.isin(names)]


def write_grid(
    videos: Sequence[LabelledVideo],
    target: Path,
    columns: int | None = None,
    height_px: int = 240,
    duration_s: float | None = None,
) -> None:
    """Write videos side by side, each under its label, all at the frame rate of the first.

    A video that ends before the longest keeps showing its last frame.

    Args:
        videos: at least one, row by row.
        target: a file that ends in one of `SUFFIXES`.
        columns: videos in a row; by default as many as make the grid nearly square.
        height_px: height of each picture; its width keeps the shape of the first video.
        duration_s: seconds from the start; by default all of the longest video.

    Raises:
        ConfigError: another suffix.
        VideoDamaged: a video cannot be read.
    """
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{target}: a grid is written as {' or '.join(SUFFIXES)}.")
    columns = min(columns or math.ceil(math.sqrt(len(videos))), len(videos))
    infos = [probe(video.path) for video in videos]
    fps = max(1, int(infos[0].fps))
    longest_s = max(info.num_frames / info.fps for info in infos)
    shown_s = min(longest_s, Fraction(duration_s)) if duration_s else longest_s
    size = (_even(height_px * infos[0].width / infos[0].height), _even(height_px))
    rows = math.ceil(len(videos) / columns)
    whole = (columns * size[0], rows * (size[1] + _LABEL_PX))
    pictures = _pictures(videos, infos, fps, max(1, round(shown_s * fps)), size, columns)
    with replacing(target) as fresh:
        write = _write_webp if suffix == ".webp" else _write_mp4
        write(pictures, fresh, fps, whole)


def _pictures(
    videos: Sequence[LabelledVideo],
    infos: Sequence[VideoInfo],
    fps: int,
    num_frames: int,
    size: tuple[int, int],
    columns: int,
) -> Iterator[np.ndarray]:
    """Yield the pictures of the grid; `size` is width and height of one video in it."""
    width, height = size
    rows = math.ceil(len(videos) / columns)
    grid_HWC = np.full((rows * (height + _LABEL_PX), columns * width, 3), 255, np.uint8)
    places = []
    for index, video in enumerate(videos):
        top, left = (index // columns) * (height + _LABEL_PX), (index % columns) * width
        grid_HWC[top : top + _LABEL_PX, left : left + width] = _label(video.label, width)
        places.append(grid_HWC[top + _LABEL_PX : top + _LABEL_PX + height, left : left + width])
    streams = [_at_rate(v.path, info.fps, fps) for v, info in zip(videos, infos, strict=True)]
    for _ in range(num_frames):
        for place_HWC, stream in zip(places, streams, strict=True):
            frame_HWC = next(stream, None)
            if frame_HWC is not None:
                place_HWC[:] = cv2.resize(frame_HWC, size, interpolation=cv2.INTER_AREA)
        yield grid_HWC


def _at_rate(path: Path, own_fps: Fraction, fps: int) -> Iterator[np.ndarray]:
    """Yield the frames that are shown at multiples of 1/fps seconds."""
    wanted = 0
    for index, frame_HWC in enumerate(read_frames(path)):
        while math.floor(wanted * own_fps / fps) == index:
            yield frame_HWC
            wanted += 1


def _label(text: str, width: int) -> np.ndarray:
    image = Image.new("RGB", (width, _LABEL_PX), "white")
    draw = ImageDraw.Draw(image)
    fitting = (ImageFont.truetype(str(_FONT), size) for size in range(14, 6, -1))
    font = next((f for f in fitting if draw.textlength(text, f) <= width - 8), None)
    font = font or ImageFont.truetype(str(_FONT), 7)
    draw.text((4, _LABEL_PX / 2), text, fill="black", font=font, anchor="lm")
    return np.asarray(image)


def _write_mp4(pictures: Iterator[np.ndarray], file: Path, fps: int, size: tuple[int, int]) -> None:
    with VideoWriter(file, fps, *size) as writer:
        for picture_HWC in pictures:
            writer.write(picture_HWC[None])


def _write_webp(
    pictures: Iterator[np.ndarray], file: Path, fps: int, size: tuple[int, int]
) -> None:
    with av.open(str(file), "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=fps, options={"quality": _WEBP_QUALITY})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for index, picture_HWC in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture_HWC, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _even(pixels: float) -> int:
    return max(2, 2 * round(pixels / 2))
