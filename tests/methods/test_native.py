from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core.errors import LongtakeError
from methods.base import NativeWindow, RolloutSpec, RopeScheme, reachable
from methods.native import Native
from methods.sliding_window import SlidingWindow

SPEC = RolloutSpec(
    num_latents=120,
    block_latents=3,
    budget_latents=21,
    trained_latents=21,
    rope_positions=1024,
    latent_shape=(16, 4, 4),
    seed=0,
)
SELF_FORCING = NativeWindow(21, 0, RopeScheme.absolute)
LONGLIVE = NativeWindow(12, 3, RopeScheme.absolute)


@pytest.mark.parametrize("window", [SELF_FORCING, LONGLIVE])
def test_the_plans_are_those_of_the_window_it_names(window: NativeWindow) -> None:
    spec = replace(SPEC, native_window=window)
    native, sliding = Native(), SlidingWindow(window.rope, window.sink_latents)
    native.reset(spec)
    sliding.reset(replace(spec, budget_latents=window.budget_latents))
    for first_frame in range(0, spec.num_latents, spec.block_latents):
        plan = native.plan(first_frame)
        plan.check(first_frame, spec)
        assert plan == sliding.plan(first_frame)
        assert set(plan.frames) <= set(reachable(native, first_frame))
        assert len(plan.frames) <= window.budget_latents - spec.block_latents


def test_longlive_keeps_three_first_frames_and_six_newest() -> None:
    native = Native()
    native.reset(replace(SPEC, native_window=LONGLIVE))
    assert native.plan(60).frames == (0, 1, 2, *range(54, 60))
    assert native.plan(60).query_positions == (60, 61, 62)


@pytest.mark.parametrize(
    ("window", "budget_latents", "message"),
    [
        (None, 12, "no window of its authors"),
        (SELF_FORCING, 12, "authors' window is 21 .* budget 12; use backbone.setting=official"),
    ],
)
def test_a_missing_or_unfitting_window_is_refused(
    window: NativeWindow | None, budget_latents: int, message: str
) -> None:
    spec = replace(SPEC, native_window=window, budget_latents=budget_latents)
    with pytest.raises(LongtakeError, match=message):
        Native().reset(spec)
