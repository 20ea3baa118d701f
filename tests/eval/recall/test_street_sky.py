"""The error of the street's sky: nothing on rendered walks, much under another sky."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from backbones.engine.pixels import to_pixels
from backbones.world.looks import SKIES
from backbones.world.street.render import render
from backbones.world.street.scene import draw_street
from backbones.world.street.script import FPS, Script
from backbones.world.street.walks import make_skies, make_turns
from eval.clip import Clip, ScoredSegment
from eval.metric import MetricUnavailable
from eval.recall.street_sky import SkyError

START, END = 140, 172  # within it the second sky of `make_skies` comes
BEFORE = 4  # frames of it that show the first one


def shown(segments: list[tuple[float, str]]) -> Clip:
    """A clip of a script, exactly as the street shows it."""
    script = Script.of_segments(segments)
    frames = to_pixels(render(draw_street(script.num_figures, 1), script)[START:END]).numpy()
    starts = np.cumsum([0, *(seconds for seconds, _ in segments)]) * FPS
    scored = [
        ScoredSegment(max(0, round(start) - 3), prompt)
        for start, (_, prompt) in zip(starts, segments, strict=False)
    ]
    return Clip(frames, START, FPS, scored[0].prompt, tuple(scored))


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    scripts = [*make_skies(6, 0), *make_turns(6, 0)]
    return [shown([(one.seconds, one.prompt) for one in script]) for script in scripts]


def blurred(clip: Clip, sigma_px: float) -> Clip:
    frames = [cv2.GaussianBlur(frame, (0, 0), sigma_px) for frame in clip.frames_FHWC]
    return Clip(np.stack(frames), clip.start_frame, clip.fps, clip.prompt, clip.segments)


@pytest.mark.parametrize("change", [lambda clip: clip, lambda clip: blurred(clip, 0.7)])
def test_rendered_skies_have_no_error(clips: list[Clip], change: Callable[[Clip], Clip]) -> None:
    errors = [SkyError().measure(change(clip)).score for clip in clips]
    assert max(errors) < 0.003


def test_another_sky_is_an_error(clips: list[Clip]) -> None:
    for number, clip in enumerate(clips):
        own = clip.prompt.split()[0]
        others = [sky for sky in SKIES if sky != own]
        wrong = clip.prompt.replace(own, others[number % 3])
        other = Clip(clip.frames_FHWC[:BEFORE], START, FPS, wrong)
        assert SkyError().measure(other).score > 0.13, (own, wrong)


def test_a_clip_that_is_not_of_the_street_has_no_error(clips: list[Clip]) -> None:
    frames = clips[0].frames_FHWC
    with pytest.raises(MetricUnavailable, match=r"sky_error needs a prompt of the street: .*four"):
        SkyError().measure(Clip(frames, 0, FPS, "A cat walks on green grass"))
    with pytest.raises(MetricUnavailable, match=r"needs 64x64 frames at 16 per second, got 64x32"):
        SkyError().measure(Clip(frames[:, :32], 0, FPS, clips[0].prompt))
