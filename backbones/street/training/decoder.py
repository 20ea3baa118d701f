"""Training of the street's decoder: a light one for the latents of the embedded VAE."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.street.training.clips import CLIP_LATENTS, ClipSet
from backbones.street.training.loop import Loop, LoopSettings, initial_weights
from backbones.street.vae import TEMPORAL_FACTOR, LatentDecoder
from backbones.world.street.render import render_frames

_CLIPS, _CLIP_LATENTS = 4, 5  # of a step
# The decoder learns from latents with a little noise, so that it forgives a transformer's errors.
_LATENT_NOISE = 0.05


@dataclass
class DecoderSettings(LoopSettings):
    """Settings of the decoder's training.

    Args:
        fine: channels at a quarter of the video's resolution.
        coarse: channels at an eighth of it.
    """

    steps: int = 2000
    weight_decay: float = 0.0
    fine: int = 64
    coarse: int = 96


class DecoderLoop(Loop):
    """Trains the decoder to give the rendered pictures back, contours included.

    Args:
        settings: of the training.
        clips: the training set.
        seed: decides the weights.
    """

    def __init__(self, settings: DecoderSettings, clips: ClipSet, seed: int) -> None:
        self._settings, self._clips = settings, clips
        with initial_weights(seed):
            decoder = LatentDecoder(settings.fine, settings.coarse)
        super().__init__("decoder", settings, decoder, seed)

    def loss(self) -> Tensor:
        draw = self.generator("clips")

        def integer(low: int, high: int) -> int:
            return int(torch.randint(low, high, (), generator=draw))

        losses = []
        for _ in range(_CLIPS):
            number = integer(self._clips.held_out, len(self._clips))
            start = integer(0, CLIP_LATENTS - _CLIP_LATENTS + 1)
            decoded, rendered = self._frames(self.model, number, start, draw)
            error = decoded - rendered
            contours = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
            losses.append(error.abs().mean() + 0.5 * contours)
        return torch.stack(losses).mean()

    @torch.inference_mode()
    def held_out(
        self,
    ) -> tuple[
        Float[Tensor, "frame 3 height width"],
        Float[Tensor, "frame 3 height width"],
    ]:
        """Return decoded and rendered frames of held-out clips, by the averaged weights."""
        decoder = self.averaged()
        pairs = [
            self._frames(decoder, number, start, None)
            for number in range(self._clips.held_out)
            for start in range(0, CLIP_LATENTS - _CLIP_LATENTS, 4 * _CLIP_LATENTS)
        ]
        decoded, rendered = zip(*pairs, strict=True)
        return torch.cat(decoded), torch.cat(rendered)

    def averaged(self) -> LatentDecoder:
        """Return a decoder with the averaged weights."""
        decoder = LatentDecoder(self._settings.fine, self._settings.coarse)
        decoder.load_state_dict(self.averages)
        return decoder

    def _frames(
        self, decoder: torch.nn.Module, number: int, start: int, draw: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return the decoded and the rendered frames of a stretch of a clip."""
        assert isinstance(decoder, LatentDecoder)
        latents = self._clips.latents[number, start : start + _CLIP_LATENTS].float()
        if draw is not None:
            latents = latents + _LATENT_NOISE * torch.randn(latents.shape, generator=draw)
        # The first latent frame has no past here, so only its last picture is compared.
        decoded = decoder.decode(latents, {})[TEMPORAL_FACTOR - 1 :]
        first = start * TEMPORAL_FACTOR
        truth = self._clips.truths[number]
        frames = torch.arange(first, first + len(decoded))
        return decoded, render_frames(truth.street, truth.script, frames)
