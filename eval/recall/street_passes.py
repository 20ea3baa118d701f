"""The figures that a video of the street shows, pass by pass, found in its pixels.

The prompt fixes the speed of the camera and the distance of the figures, not the place that the
camera starts from. Figures are what varies along the street within 64 px (sky, hills and land
hardly do), so the start follows from the mean horizontal gradient, folded over that distance.

Letters: F frame, H row, W column, C color.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backbones.world.street.prompt import SPEED_PX, StreetPrompt
from backbones.world.street.render import FIGURE_Y_PX, SIDE_PX
from backbones.world.street.script import FPS, GAP_PX
from eval.metric import ClipMeasure, MetricUnavailable

REACH_PX = 15  # half a side of the square that a figure is cut out by
_CENTRED_PX = 12  # a pass is seen while its centre is this close to the middle of the picture
_FEWEST_FRAMES = 4
_BOX_PX = 27  # as wide as a small figure, so that both its edges count


@dataclass(frozen=True)
class StreetClip(ClipMeasure):
    """The frames of a clip, kept for the comparison over the whole video.

    Attributes:
        frames_FHWC: RGB, uint8: a video of 120 s has 23 MB of them.
        start_frame: place of the first one in the video.
        prompt: prompt of the video.
    """

    frames_FHWC: np.ndarray | None = None
    start_frame: int = 0
    prompt: StreetPrompt | None = None


@dataclass(frozen=True)
class Pass:
    """One passing of a place of the street.

    Attributes:
        number: 0 for the first place, counted on for ever; the figure is `number` modulo the
            number of figures.
        end_frame: video frame after the last one that shows it in the middle.
        view_HWC: what stands there, the median over all frames that show it in the middle.
    """

    number: int
    end_frame: int
    view_HWC: np.ndarray


@dataclass(frozen=True)
class Passes:
    """All passes of a video.

    Attributes:
        num_figures: figures of the street.
        lap_s: seconds of one lap.
        passes: in order of time; those of the first lap come first.
    """

    num_figures: int
    lap_s: float
    passes: tuple[Pass, ...]

    @cached_property
    def first_lap(self) -> dict[int, Pass]:
        """The first pass of every figure, by figure."""
        found: dict[int, Pass] = {}
        for item in self.passes:
            found.setdefault(item.number % self.num_figures, item)
        return found

    @property
    def returns(self) -> list[Pass]:
        """All later passes."""
        first = {item.number for item in self.first_lap.values()}
        return [item for item in self.passes if item.number not in first]


def passes_of(clips: Sequence[StreetClip], offset_px: int = 0) -> Passes:
    """Find the passes of a video.

    Args:
        clips: its clips, in order of time.
        offset_px: distance of the place looked at from the figure; GAP_PX / 2 is the middle between
            two figures.

    Raises:
        MetricUnavailable: the camera does not move, so nothing leaves the view.
    """
    prompt = clips[0].prompt
    assert prompt is not None
    speed_px = SPEED_PX[prompt.motion]
    if speed_px == 0:
        raise MetricUnavailable(f"nothing leaves the view while the camera is {prompt.motion}")
    frames_FHWC = np.concatenate([c.frames_FHWC for c in clips if c.frames_FHWC is not None])
    times = np.concatenate(
        [c.start_frame + np.arange(len(c.frames_FHWC)) for c in clips if c.frames_FHWC is not None]
    )
    moved_F = speed_px * times
    phase_px = _phase_px(frames_FHWC, moved_F) + offset_px
    seen: dict[int, list[int]] = {}
    for index, moved_px in enumerate(moved_F):
        middle = moved_px + SIDE_PX // 2
        nearest = round((middle - phase_px) / GAP_PX)
        if abs(phase_px + GAP_PX * nearest - middle) <= _CENTRED_PX:
            seen.setdefault(nearest, []).append(index)
    found = []
    for place, indices in seen.items():
        if len(indices) < _FEWEST_FRAMES:
            continue
        views = [_cut(frames_FHWC[i], phase_px + GAP_PX * place - int(moved_F[i])) for i in indices]
        end_frame = int(times[indices[-1]]) + 1
        # Walking back, the same places come in the opposite order.
        found.append(Pass(place if speed_px > 0 else -place, end_frame, np.median(views, axis=0)))
    lap_s = prompt.num_figures * GAP_PX / abs(speed_px) / FPS
    return Passes(prompt.num_figures, lap_s, tuple(sorted(found, key=lambda item: item.number)))


def distance(view_HWC: np.ndarray, other_HWC: np.ndarray, radius_px: int, shift_px: int) -> float:
    """Return the mean RGB difference within a disc, at the best shift of one against the other."""
    rows, columns = np.ogrid[-REACH_PX : REACH_PX + 1, -REACH_PX : REACH_PX + 1]
    disc = rows**2 + columns**2 <= radius_px**2
    shifts = range(-shift_px, shift_px + 1)
    return min(
        float(np.abs(view_HWC - np.roll(other_HWC, (dy, dx), (0, 1)))[disc].mean())
        for dy in shifts
        for dx in shifts
    )


def edges(view_HWC: np.ndarray) -> float:
    """Return the mean horizontal gradient of a view: high where a figure has an outline."""
    return float(np.abs(np.gradient(view_HWC, axis=1)).mean())


def _phase_px(frames_FHWC: np.ndarray, moved_F: np.ndarray) -> int:
    """Return the place of the first figure on the street, modulo GAP_PX."""
    rows = slice(FIGURE_Y_PX - REACH_PX, FIGURE_Y_PX + REACH_PX)
    shown_FHWC = frames_FHWC[:, rows].astype(np.float32) / 255
    energy_FW = np.abs(np.gradient(shown_FHWC, axis=2)).mean((1, 3))
    places_FW = (moved_F[:, None] + np.arange(SIDE_PX)) % GAP_PX
    profile = np.bincount(places_FW.ravel(), energy_FW.ravel(), GAP_PX)
    box = np.ones(_BOX_PX)
    smooth = np.convolve(np.concatenate([profile, profile]), box, "same")
    half = GAP_PX // 2
    return int(half + np.argmax(smooth[half : half + GAP_PX])) % GAP_PX


def _cut(frame_HWC: np.ndarray, centre_px: int) -> np.ndarray:
    rows = slice(FIGURE_Y_PX - REACH_PX, FIGURE_Y_PX + REACH_PX + 1)
    cut_HWC = frame_HWC[rows, centre_px - REACH_PX : centre_px + REACH_PX + 1]
    return cut_HWC.astype(np.float32) / 255
