"""Releases that are not rolled out in blocks of three with a plain window."""

from __future__ import annotations

import pytest
import torch

from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.wan.backbone import (
    CausalForcingFramewise,
    FadeMemFT,
    Flavor,
    RewardForcing,
    RollingForcing,
    Setting,
    WanBackbone,
    WanWeights,
)
from harness.core.errors import LongtakeError
from methods.base import MemoryStrategy
from methods.published.ema_sink import EmaSink
from methods.rag import Rag
from methods.sliding_window import SlidingWindow

PROMPT = "a lighthouse in a storm"


def framewise(**arguments: object) -> WanBackbone:
    return CausalForcingFramewise(
        weights=WanWeights.random, flavor=Flavor.debug, denoising_step_list=[1000], **arguments
    )


def test_releases_that_roll_out_otherwise_say_how() -> None:
    for kind, message in (
        (RewardForcing, "method=ema_sink with backbone.budget_latents=9"),
        (RollingForcing, "a sampler that denoises several blocks"),
        (FadeMemFT, "method=fademem with backbone.budget_latents=15"),
    ):
        with pytest.raises(LongtakeError, match=f"{kind.release.name} roll it out with {message}"):
            kind(setting=Setting.official).spec()
        assert kind().spec().native_window is None
    assert RollingForcing().spec().sampling.denoising_step_list == (1000, 800, 600, 400, 200)
    assert FadeMemFT().spec().trained_latents == 21


@pytest.mark.parametrize("method", [SlidingWindow(), EmaSink(), Rag()], ids=type)
def test_blocks_of_one_latent_roll_out(method: MemoryStrategy) -> None:
    backbone = framewise().load(torch.device("cpu"), [PROMPT])
    assert backbone.spec.block_latents == 1
    rollout = Rollout(backbone, method, PROMPT, SeededNoise(0, PROMPT), 28, seed=0)
    blocks = list(rollout.blocks())
    assert [block.first_frame for block in blocks] == list(range(28))
    assert all(len(block.latents) == 1 for block in blocks)
    assert len(blocks[-1].plan.frames) == 11
    with pytest.raises(LongtakeError, match=r"more than a block \(1\)"):
        framewise(budget_latents=1).spec()
