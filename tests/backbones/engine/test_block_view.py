"""Keys and frames that a strategy may ask for are those that the model computed."""

from __future__ import annotations

import pytest
import torch

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.protocol import AttentionContext
from backbones.engine.rollout import Rollout
from backbones.wan.rope import Rope
from methods.base import BlockView
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.conftest import PROMPT

pytestmark = pytest.mark.slow


class Watcher(SlidingWindow):
    """Keeps what the view shows."""

    needs_model = True

    def attach(self, view: BlockView) -> None:
        self.view = view
        self.keys: list[torch.Tensor] = []
        self.frames: list[torch.Tensor] = []

    def observe(self, latents: torch.Tensor, first_frame: int) -> None:
        self.keys.append(self.view.mean_keys())
        self.frames.append(self.view.frames())


def first_block_keys(backbone: Backbone, latents: torch.Tensor) -> torch.Tensor:
    """Mean keys of the first block, from a clean pass without any past."""
    config, tokens = backbone.transformer.config, 3 * backbone.spec.shape.tokens_per_latent
    rope = Rope(config.head_dim, 4, 4, 16)
    shape = (config.num_layers, config.num_heads, tokens, config.head_dim)
    context = AttentionContext(
        torch.zeros(shape), torch.zeros(shape), rope.factors((0, 1, 2)), tokens
    )
    new_kv = torch.zeros(config.num_layers, 2, *shape[1:])
    with torch.inference_mode():
        text = backbone.transformer.text_context(backbone.encode_text(PROMPT))
        time = backbone.transformer.time_context(0.0)
        backbone.transformer(latents, time, context, text, new_kv)
    per_frame = new_kv[:, 0].unflatten(2, (3, -1)).mean(3)  # layer, head, frame, channel
    return per_frame.permute(2, 0, 1, 3).flatten(2)


def test_keys_and_frames_are_those_of_the_rollout(small: Backbone) -> None:
    watcher = Watcher()
    rollout = Rollout(small, watcher, PROMPT, SeededNoise(0, PROMPT), 9, 0)
    latents = torch.cat([block.latents for block in rollout.blocks()])
    config = small.transformer.config
    keys = torch.cat(watcher.keys)
    assert keys.shape == (9, config.num_layers, config.dim)
    torch.testing.assert_close(keys[:3], first_block_keys(small, latents[:3]))
    video = small.start_decoder().decode(latents)
    frames = torch.cat(watcher.frames)
    assert torch.equal(frames, video[::4])
    again = Watcher()
    list(Rollout(small, again, PROMPT, SeededNoise(0, PROMPT), 9, 0).blocks(latents))
    assert torch.equal(torch.cat(again.keys), keys)  # replaying shows the same
    assert keys.std(dim=0).min() > 0


def test_rag_searches_by_keys_and_by_frames(small: Backbone) -> None:
    for descriptor in ("mean_keys", "mobilenet"):
        strategy = Rag(descriptor=descriptor, recent_exclude_latents=0, memory_latents=2)
        rollout = Rollout(small, strategy, PROMPT, SeededNoise(0, PROMPT), 18, 0)
        *_, last = rollout.blocks()
        assert len(last.plan.memory_frames()) == 2
        assert last.plan.scores is not None
        assert all(-1 <= score <= 1 + 1e-5 for score in last.plan.scores)
