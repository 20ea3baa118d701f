"""Sample strips of a half-trained model: a walk, lap under lap, or a script of another scene."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.script import Script, Segment
from backbones.street.oracle import StreetOracle
from backbones.world.street.draw import draw_script
from backbones.world.street.prompt import Scene
from backbones.world.street.script import BLOCK_LATENTS, BLOCK_S, FRAMES_PER_LATENT
from methods.base import MemoryStrategy
from methods.sliding_window import SlidingWindow

_WALK, _BLOCKS = "noon grassy three walking", 24
_ROW_LATENTS = 24  # a lap
_SHOWN_EVERY = 8  # video frames
_RULE_PX = 2


def sample_strips(backbone: Backbone, scene: Scene, seed: int) -> UInt8[Tensor, "height width 3"]:
    """Return a picture of two videos from the same noise: with a window only, and remembering.

    A row is 6 s, which is a lap. The upper rows had a sliding window, the lower ones the frames of
    the first visit, which is the best that any strategy could retrieve.
    """
    segments = _segments(scene)
    window = _rows(backbone, SlidingWindow(), segments, seed)
    remembering = _rows(backbone, StreetOracle(), segments, seed)
    rule = torch.zeros(_RULE_PX, window.shape[1], 3, dtype=torch.uint8)
    return torch.cat([window, rule, remembering])


def _segments(scene: Scene) -> tuple[Segment, ...]:
    if scene is Scene.street:
        return (Segment(_BLOCKS * BLOCK_S, _WALK),)
    shots = draw_script(_BLOCKS, "samples", scene).shots
    return tuple(Segment(shot.num_blocks * BLOCK_S, str(shot.prompt)) for shot in shots)


def _rows(
    backbone: Backbone, strategy: MemoryStrategy, segments: tuple[Segment, ...], seed: int
) -> UInt8[Tensor, "height width 3"]:
    script, first = Script(segments), segments[0].prompt
    noise = SeededNoise(seed, first)
    rollout = Rollout(backbone, strategy, script, noise, _BLOCKS * BLOCK_LATENTS, seed)
    decoder = backbone.start_decoder()
    frames = torch.cat([decoder.decode(block.latents) for block in rollout.blocks()])
    rows = frames.split(_ROW_LATENTS * FRAMES_PER_LATENT)
    return torch.cat([torch.cat(list(row[::_SHOWN_EVERY]), dim=1) for row in rows])
