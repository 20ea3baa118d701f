"""Sample strips of a half-trained model: the laps of one walk under each other."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.street.oracle import StreetOracle
from backbones.world.street.script import FRAMES_PER_LATENT, Script
from methods.base import MemoryStrategy
from methods.sliding_window import SlidingWindow

_PROMPT, _SECONDS = "noon grassy three walking", 18.0
_LAP_LATENTS = 24
_SHOWN_EVERY = 8  # video frames
_RULE_PX = 2


def sample_strips(backbone: Backbone, seed: int) -> UInt8[Tensor, "height width 3"]:
    """Return a picture of two walks from the same noise: with a window only, and remembering.

    A row is a lap. The upper rows had a sliding window, the lower ones the frames of the first
    visit, which is the best that any strategy could retrieve.
    """
    script = Script.of_segments([(_SECONDS, _PROMPT)])
    window = _laps(backbone, SlidingWindow(), script, seed)
    remembering = _laps(backbone, StreetOracle(), script, seed)
    rule = torch.zeros(_RULE_PX, window.shape[1], 3, dtype=torch.uint8)
    return torch.cat([window, rule, remembering])


def _laps(
    backbone: Backbone, strategy: MemoryStrategy, script: Script, seed: int
) -> UInt8[Tensor, "height width 3"]:
    noise = SeededNoise(seed, _PROMPT)
    rollout = Rollout(backbone, strategy, _PROMPT, noise, script.num_latents, seed)
    decoder = backbone.start_decoder()
    frames = torch.cat([decoder.decode(block.latents) for block in rollout.blocks()])
    laps = frames.split(_LAP_LATENTS * FRAMES_PER_LATENT)
    return torch.cat([torch.cat(list(lap[::_SHOWN_EVERY]), dim=1) for lap in laps])
