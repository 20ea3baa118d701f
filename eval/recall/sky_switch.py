"""Switches of the tiny world's sky, whose colors each prompt fixes exactly.

Along the way from old to new, a frame is at (error to the old sky - error to the new one) /
difference of the two: -1 for the old sky, 1 for the new one, up to noise. Errors are those of
`SkyError`, on the rows that show only sky under both prompts. What must survive a switch (subject
and land) is measured by the errors of `eval.recall.world_metrics`, segment by segment.
"""

from __future__ import annotations

import numpy as np

from backbones.world.geometry import HEIGHT_PX, WIDTH_PX, sky_rows
from backbones.world.grammar import ScenePrompt
from backbones.world.prompt_colors import sky_HC
from eval.metric import Clip, Direction, Heading, Kind, MetricInfo, MetricUnavailable
from eval.metrics.switches import (
    SeenClip,
    Switch,
    SwitchMetric,
    Timeline,
    latency_blocks,
    seen_clip,
)
from harness.core.errors import LongtakeError


class _SkySwitch(SwitchMetric):
    def measure(self, clip: Clip) -> SeenClip:
        """Keep the mean of each row that can be sky, of every frame.

        Raises:
            MetricUnavailable: a prompt is outside the grammar, the frames are not 128x128, or the
                prompt doesn't change.
        """
        try:
            prompts = [ScenePrompt.parse(segment.prompt) for segment in clip.segments]
        except LongtakeError as error:
            raise MetricUnavailable(
                f"{self.info.name} needs prompts of the tiny world: {error}"
            ) from error
        if clip.frames_FHWC.shape[1:] != (HEIGHT_PX, WIDTH_PX, 3):
            raise MetricUnavailable(f"{self.info.name} needs {WIDTH_PX}x{HEIGHT_PX} frames.")
        num_rows = max((len(sky_rows(prompt)) for prompt in prompts), default=0)
        rows_FHC = clip.frames_FHWC[:, :num_rows].mean(axis=2, dtype=np.float32) / 255
        return seen_clip(clip, 0.0, 1, rows_FHC)

    def _along(self, line: Timeline, switch: Switch, frames: range) -> np.ndarray | None:
        """Return how far each frame is from old (-1) to new (1); None if the sky stays."""
        old, new = (
            ScenePrompt.parse(line.segments[index].prompt)
            for index in (switch.index - 1, switch.index)
        )
        rows = range(min(len(sky_rows(old)), len(sky_rows(new))))
        shown_FHC = line.seen(frames)[:, : len(rows)]
        old_HC, new_HC = sky_HC(old, rows), sky_HC(new, rows)
        apart = float(np.abs(old_HC - new_HC).mean())
        if old.sky == new.sky:
            return None
        error_old, error_new = (
            np.abs(shown_FHC - sky).mean(axis=(1, 2)) for sky in (old_HC, new_HC)
        )
        return np.asarray((error_old - error_new) / apart)


class SkySwitch(_SkySwitch):
    """Place of the sky between that of the old prompt and that of the new one, at the end."""

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
