"""The sky of the street, whose colors the script fixes exactly: its error, and its switches.

The top rows show nothing but sky. Along the way from an old sky to a new one, a frame is at (error
to the old one - error to the new one) / difference of the two: -1 for the old, 1 for the new, up to
noise.

Letters: F frame, H row, C color.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from backbones.world.looks import SKIES
from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.render import sky_rgb
from backbones.world.street.script import CameraPath, Script
from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    Heading,
    Kind,
    MetricInfo,
)
from eval.metrics.switches import (
    SeenClip,
    Switch,
    SwitchMetric,
    Timeline,
    latency_blocks,
    seen_clip,
)
from eval.recall.street_metric import changes_of

SKY_ROWS = 16
"""Rows that figures, cups and hills never reach; the camera looks ahead or up."""


class SkyError(ClipMean):
    """Mean absolute RGB error of the rows that show only sky, against the script's gradient.

    95th percentiles over 60 rendered walks: 0.001 as 8-bit frames, 0.001 after a Gaussian blur of
    0.7 px. A wrong sky gives 0.13 or more.
    """

    info = MetricInfo(
        name="sky_error",
        title="Sky error",
        direction=Direction.lower,
        unit="RGB difference, 0..1",
        description="Difference of the top rows to the exact sky of the script.",
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def measure(self, clip: Clip) -> ClipMeasure:
        """Measure one clip.

        Raises:
            MetricUnavailable: the prompt is not one of the street, or the frames are not 64x64.
        """
        changes = changes_of(clip, self.info.name)
        frames = np.arange(clip.start_frame, clip.start_frame + len(clip.frames_FHWC))
        path = _path(changes, frames)
        expected_FHC = _sky(path.sky[frames], path, frames)
        shown_FHWC = clip.frames_FHWC[:, :SKY_ROWS].astype(np.float32) / 255
        return ClipMeasure(float(np.abs(shown_FHWC - expected_FHC[:, :, None]).mean()))


class _SkySwitch(SwitchMetric):
    def measure(self, clip: Clip) -> SeenClip:
        """Keep the mean of each row of the sky, of every frame.

        Raises:
            MetricUnavailable: a prompt is not one of the street, the frames are not 64x64, or the
                prompt doesn't change.
        """
        changes_of(clip, self.info.name)
        rows_FHC = clip.frames_FHWC[:, :SKY_ROWS].mean(axis=2, dtype=np.float32) / 255
        return seen_clip(clip, 0.0, 1, rows_FHC)

    def _along(self, line: Timeline, switch: Switch, frames: range) -> np.ndarray | None:
        """Return how far each frame is from old (-1) to new (1); None if the sky stays."""
        changes = _changes(line)
        old, new = (changes[index][1].sky for index in (switch.index - 1, switch.index))
        if old == new:
            return None
        seen_F = line.frames_F[(line.frames_F >= frames.start) & (line.frames_F < frames.stop)]
        path = _path(changes, seen_F)
        shown_FHC = line.seen(frames)
        skies = torch.eye(len(SKIES))[[SKIES.index(old), SKIES.index(new)]]
        old_FHC, new_FHC = (_sky(sky.expand(len(seen_F), -1), path, seen_F) for sky in skies)
        error_old_F, error_new_F, apart_F = (
            np.abs(difference).mean(axis=(1, 2))
            for difference in (shown_FHC - old_FHC, shown_FHC - new_FHC, old_FHC - new_FHC)
        )
        return np.asarray((error_old_F - error_new_F) / apart_F)


def _changes(line: Timeline) -> tuple[tuple[int, StreetPrompt], ...]:
    """Return the first video frame and the prompt of every segment."""
    return tuple((one.start_frame, StreetPrompt.parse(one.prompt)) for one in line.segments)


def _path(changes: Sequence[tuple[int, StreetPrompt]], frames: np.ndarray) -> CameraPath:
    return Script.of_changes(changes, int(frames[-1]) + 1).path


def _sky(sky: torch.Tensor, path: CameraPath, frames: np.ndarray) -> np.ndarray:
    """Return the colors of the sky, RGB in 0..1 (F, H, C), in the rows of some frames."""
    height_FH = torch.arange(SKY_ROWS) - path.tilt_px[frames][:, None].float()
    return sky_rgb(sky, height_FH).transpose(1, 2).numpy()


class SkySwitch(_SkySwitch):
    """Position of the sky between the old prompt and the new one, at the end of a segment."""

    info = MetricInfo(
        name="sky_switch",
        title="Switch: sky followed",
        direction=Direction.higher,
        unit="-1 = old sky, 1 = new",
        description=(
            "Where the sky of the last 2 s of a segment is between that of the old prompt (-1) "
            "and that of the new one (1). Switches that keep the sky don't count."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _value(self, line: Timeline, switch: Switch) -> float | None:
        along = self._along(line, switch, switch.after[-line.settled :])
        return None if along is None else float(along.mean())


class SkySwitchLatency(_SkySwitch):
    """Blocks until the sky is nearer to the new prompt's than to the old one's."""

    info = MetricInfo(
        name="sky_switch_latency",
        title="Switch latency, sky",
        direction=Direction.lower,
        unit="blocks",
        description=(
            "Blocks after a switch before the sky is nearer to the new prompt's than to the old "
            "one's; 0 if the first block's is, all blocks of the segment if it never is."
        ),
        heading=Heading.truth,
        kind=Kind.truth,
    )

    def _value(self, line: Timeline, switch: Switch) -> float | None:
        along = self._along(line, switch, switch.after)
        return None if along is None else latency_blocks(line, switch, along, 0.0)
