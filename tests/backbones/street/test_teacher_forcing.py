"""A pass over a whole clip predicts what the engine's passes predict block by block."""

from __future__ import annotations

import random

import torch

from backbones.engine.protocol import AttentionContext
from backbones.street.model import LATENT_SHAPE, StreetModel, wan_config
from backbones.street.training.clips import clip_truth
from backbones.street.training.contexts import ContextKind
from backbones.street.training.loop import initial_weights
from backbones.wan.teacher_forcing import contexts_of, predict_flow
from backbones.world.street.script import BLOCK_LATENTS

_CONFIG = wan_config(dim=96, layers=2)
_SHAPE = _CONFIG.shape(LATENT_SHAPE, 32)
_BLOCKS = 20


def test_a_teacher_forced_clip_equals_passes_block_by_block() -> None:
    with initial_weights(1):
        model = StreetModel(_CONFIG)
    generator = torch.Generator().manual_seed(2)
    clean, noisy = torch.randn(2, _BLOCKS * BLOCK_LATENTS, *LATENT_SHAPE, generator=generator)
    truth, rng = clip_truth(0, 2), random.Random(3)
    kinds = rng.choices(list(ContextKind), k=_BLOCKS)
    plans = truth.plans(kinds, rng)
    timesteps = [1000 * rng.random() for _ in range(_BLOCKS)]
    text = torch.stack([model.encode_text(prompt) for prompt in truth.script.prompts])
    with torch.no_grad():
        contexts = contexts_of(plans, _SHAPE.rotary, _SHAPE.tokens_per_latent)
        flow = predict_flow(model.transformer, clean, noisy, timesteps, text, contexts)
        expected = _block_by_block(model, clean, noisy, timesteps, text, plans)
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-5)


def _block_by_block(model, clean, noisy, timesteps, text, plans) -> torch.Tensor:
    transformer = model.transformer.prepare()
    tokens = _SHAPE.tokens_per_latent
    made = torch.zeros(_SHAPE.kv_shape(len(clean)))
    flows = []
    for block, plan in enumerate(plans):
        own = slice(block * BLOCK_LATENTS, (block + 1) * BLOCK_LATENTS)
        places = [frame * tokens + token for frame in plan.frames for token in range(tokens)]
        keys, values = made[:, :, :, places].unbind(1)
        if places:
            keys = _SHAPE.rotary.rotate(keys, _SHAPE.rotary.factors(plan.positions))
        room = torch.zeros(_SHAPE.layers, _SHAPE.heads, BLOCK_LATENTS * tokens, _SHAPE.head_dim)
        context = AttentionContext(
            torch.cat([keys, room], dim=2),
            torch.cat([values, room], dim=2),
            _SHAPE.rotary.factors(plan.query_positions),
            BLOCK_LATENTS * tokens,
        )
        prompt = transformer.text_context(text[block])
        time = transformer.time_context(timesteps[block])
        flows.append(transformer(noisy[own], time, context, prompt))
        new_kv = torch.zeros(_SHAPE.kv_shape(BLOCK_LATENTS))
        transformer(clean[own], transformer.time_context(0), context, prompt, new_kv)
        made[:, :, :, own.start * tokens : own.stop * tokens] = new_kv
    return torch.cat(flows)
