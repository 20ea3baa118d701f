"""The figures that a video of the street shows, visit by visit, found in its pixels.

The prompts fix the path of the camera and the distance of the figures, not the place that the
camera starts from. Figures are what varies along the street within 64 px (sky, hills and land
hardly do), so the start follows from the mean horizontal gradient, folded over that distance.

Letters: F frame, H row, W column, C color.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from backbones.world.street.actors import FIGURE_Y_PX, SIDE_PX
from backbones.world.street.prompt import SPEED_PX
from backbones.world.street.script import FPS, GAP_PX
from eval.recall.street_metric import StreetClip, StreetVideo

REACH_PX = 15  # half a side of the square that a figure is cut out by
_CENTRED_PX = 12  # a figure is looked at while its centre is this close to the middle
_FEWEST_FRAMES = 4
_BOX_PX = 27  # as wide as a small figure, so that both its edges count
# A figure has left the view when none of its square is in the picture, to a side or below.
_OUT_PX, _OUT_TILT_PX = SIDE_PX // 2 + REACH_PX, SIDE_PX - FIGURE_Y_PX + REACH_PX


@dataclass(frozen=True)
class Visit:
    """A figure in the middle of the picture, until it has left the view.

    Attributes:
        figure: its number on the street.
        frames: the video frames that show it in the middle.
        offsets_px: its distance from the middle in each of them.
        view_HWC: the median over these frames of what stands there.
    """

    figure: int
    frames: np.ndarray
    offsets_px: np.ndarray
    view_HWC: np.ndarray

    @property
    def end_frame(self) -> int:
        """The video frame after the last of the visit."""
        return int(self.frames[-1]) + 1

    def age_s(self, first: Visit) -> float:
        """Return the seconds since an earlier visit, from equal place to equal place, to 0.5 s."""
        apart_px = np.abs(first.offsets_px[:, None] - self.offsets_px)
        before, now = np.unravel_index(apart_px.argmin(), apart_px.shape)
        return round(2 * float(self.frames[now] - first.frames[before]) / FPS) / 2


@dataclass(frozen=True)
class Visits:
    """All visits of a video.

    Attributes:
        num_figures: figures of the street.
        visits: in order of time.
    """

    num_figures: int
    visits: tuple[Visit, ...]

    @cached_property
    def first(self) -> dict[int, Visit]:
        """The first visit of every figure that is ever looked at, by figure."""
        found: dict[int, Visit] = {}
        for visit in self.visits:
            found.setdefault(visit.figure, visit)
        return found

    @property
    def returns(self) -> list[Visit]:
        """All later visits."""
        return [visit for visit in self.visits if visit is not self.first[visit.figure]]

    @property
    def lap_s(self) -> float:
        """Seconds that a lap takes on a walk."""
        return self.num_figures * GAP_PX / SPEED_PX["walking"] / FPS


def visits_of(clips: Sequence[StreetClip], offset_px: int = 0) -> Visits:
    """Find the visits of a video; those under another sky than its first frame's are left out.

    Args:
        clips: its clips, in order of time.
        offset_px: distance of the place looked at from the figure; GAP_PX / 2 is the middle between
            two figures.
    """
    video = StreetVideo.of(clips)
    script, times, frames_FHWC, plain_F = (
        video.script,
        video.times,
        video.frames_FHWC,
        video.plain_F,
    )
    moved_F, tilt_F = script.path.x_px.numpy()[times], script.path.tilt_px.numpy()[times]
    phase_px = _phase_px(frames_FHWC[plain_F], moved_F[plain_F]) + offset_px
    lap_px = script.lap_px
    found = []
    for figure in range(script.num_figures):
        ahead_F = phase_px + GAP_PX * figure - SIDE_PX // 2 - moved_F
        offset_F = (ahead_F + lap_px // 2) % lap_px - lap_px // 2
        out_F = (np.abs(offset_F) > _OUT_PX) | (tilt_F > _OUT_TILT_PX)
        centred = np.flatnonzero((np.abs(offset_F) <= _CENTRED_PX) & plain_F)
        absences_F = np.cumsum(out_F)
        for _, group in groupby(centred, key=lambda index: absences_F[index]):
            indices = np.array(list(group))
            if len(indices) >= _FEWEST_FRAMES:
                views = [cut(frames_FHWC[i], SIDE_PX // 2 + int(offset_F[i])) for i in indices]
                view_HWC = np.median(views, axis=0)
                found.append(Visit(figure, times[indices], offset_F[indices], view_HWC))
    in_time = sorted(found, key=lambda visit: int(visit.frames[0]))
    return Visits(script.num_figures, tuple(in_time))


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
    places = ((moved_F[:, None] + np.arange(SIDE_PX)) % GAP_PX).ravel()
    # A mean: a camera that stands still looks at some places for longer.
    profile = np.bincount(places, energy_FW.ravel(), GAP_PX) / np.bincount(places, None, GAP_PX)
    box = np.ones(_BOX_PX)
    smooth = np.convolve(np.concatenate([profile, profile]), box, "same")
    half = GAP_PX // 2
    return int(half + np.argmax(smooth[half : half + GAP_PX])) % GAP_PX


def cut(frame_HWC: np.ndarray, centre_px: int) -> np.ndarray:
    """Return the square round a figure whose centre is in this column, RGB in 0..1."""
    rows = slice(FIGURE_Y_PX - REACH_PX, FIGURE_Y_PX + REACH_PX + 1)
    cut_HWC = frame_HWC[rows, centre_px - REACH_PX : centre_px + REACH_PX + 1]
    return cut_HWC.astype(np.float32) / 255
