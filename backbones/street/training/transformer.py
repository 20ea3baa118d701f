"""Training of the street's transformer by teacher forcing, and what it has learned of memory."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.street.model import LATENT_SHAPE, TIMESTEP_SHIFT, StreetModel, wan_config
from backbones.street.training.clips import CLIP_BLOCKS, ClipSet
from backbones.street.training.contexts import ContextKind, Contexts, draw_kinds
from backbones.street.training.loop import Loop, LoopSettings, initial_weights, seeded
from backbones.wan.teacher_forcing import contexts_of, predict_flow
from backbones.world.street.script import BLOCK_LATENTS
from methods.base import ContextPlan

_NOISE_MEAN, _NOISE_SPREAD = 0.5, 1.2  # of the noise level, before the shift, as a logit
_RETURN_WEIGHT = 3.0  # of blocks where something returns: only there does memory matter


@dataclass
class TransformerSettings(LoopSettings):
    """Settings of the transformer's training.

    Args:
        dim: model channels, a multiple of 48.
        layers: depth.
        contexts: memory frames of every kind, or the sliding window alone.
        history_noise: largest spread of the noise on clean frames, so that a rollout's own errors
            are familiar.
        history_noise_after: first step with that noise.
    """

    steps: int = 6000
    dim: int = 192
    layers: int = 4
    contexts: Contexts = Contexts.memory
    history_noise: float = 0.1
    history_noise_after: int = 1500


class TransformerLoop(Loop):
    """Trains the transformer, one clip a step.

    Args:
        settings: of the training.
        clips: the training set.
        seed: decides the weights.
    """

    def __init__(self, settings: TransformerSettings, clips: ClipSet, seed: int) -> None:
        with initial_weights(seed):
            self.street = StreetModel(wan_config(settings.dim, settings.layers), clips.scenes)
        torch.nn.init.zeros_(self.street.transformer.head.head.weight)
        super().__init__("transformer", settings, self.street, seed)
        self._clips, self._settings = clips, settings

    def loss(self) -> Tensor:
        draw = self.generator("noise")
        rng = random.Random(f"{self.seed}/contexts/{self.step}")
        number = rng.randrange(self._clips.held_out, len(self._clips))
        truth = self._clips.truths[number]
        kinds = draw_kinds(self._settings.contexts, CLIP_BLOCKS, rng)
        plans = truth.plans(kinds, rng)
        history = self._settings.history_noise * float(torch.rand((), generator=draw))
        if self.step < self._settings.history_noise_after:
            history = 0.0
        losses = self._losses(self.street, number, plans, draw, history)
        weights = torch.ones(CLIP_BLOCKS)
        weights[list(truth.returning_blocks)] = _RETURN_WEIGHT
        return (losses * weights).sum() / weights.sum()

    def recall_losses(self) -> dict[str, float]:
        """Return the loss of blocks where something returns, by kind of context, of the averages.

        The clips are held out, and all kinds get the same noise.
        """
        model = self.averaged()
        found: dict[str, list[float]] = {kind: [] for kind in ContextKind}
        with torch.inference_mode():
            for number in range(self._clips.held_out):
                truth = self._clips.truths[number]
                if not truth.returning_blocks:
                    continue
                for kind in ContextKind:
                    rng = random.Random(f"validation {number}")
                    plans = truth.plans([kind] * CLIP_BLOCKS, rng)
                    losses = self._losses(model, number, plans, seeded(f"validation {number}"), 0.0)
                    found[kind] += losses[list(truth.returning_blocks)].tolist()
        return {kind: fmean(losses) for kind, losses in found.items() if losses}

    def averaged(self) -> StreetModel:
        """Return a model with the averaged weights."""
        config = wan_config(self._settings.dim, self._settings.layers)
        model = StreetModel(config, self._clips.scenes)
        model.load_state_dict(self.averages)
        return model

    def _losses(
        self,
        model: StreetModel,
        number: int,
        plans: Sequence[ContextPlan],
        draw: torch.Generator,
        history_noise: float,
    ) -> Float[Tensor, " block"]:
        """Return the denoising loss of every block of a clip."""
        clean = self._clips.latents[number].float()
        logits = torch.randn(CLIP_BLOCKS, generator=draw) * _NOISE_SPREAD + _NOISE_MEAN
        levels = torch.sigmoid(logits)
        sigmas = TIMESTEP_SHIFT * levels / (1 + (TIMESTEP_SHIFT - 1) * levels)
        noise = torch.randn(clean.shape, generator=draw)
        history = clean + history_noise * torch.randn(clean.shape, generator=draw)
        sigma_T = sigmas.repeat_interleave(BLOCK_LATENTS)[:, None, None, None]
        script = self._clips.truths[number].script
        flow = predict_flow(
            model.transformer,
            history,
            torch.lerp(clean, noise, sigma_T),
            (1000 * sigmas).tolist(),
            torch.stack([model.encode_text(prompt) for prompt in script.prompts]),
            contexts_of(plans, *_rotary(model)),
        )
        errors = (flow - (noise - clean)).square().mean((1, 2, 3))
        return errors.unflatten(0, (-1, BLOCK_LATENTS)).mean(1)


def learned_memory(losses: Mapping[str, float]) -> bool:
    """Return whether the right frames help clearly more than random ones."""
    return losses[ContextKind.right] < 0.95 * losses[ContextKind.random]


def _rotary(model: StreetModel) -> tuple[Any, int]:
    shape = model.transformer.config.shape(LATENT_SHAPE, 32)
    return shape.rotary, shape.tokens_per_latent
