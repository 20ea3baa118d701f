"""A backbone that is no Wan: other sizes, rotary embedding over time alone, and a prompt as a bias.

Space is a learned embedding, there is no cross-attention, blocks have two latent frames, and the
weights are drawn from a seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.engine.backbone import Backbone, BackboneSource
from backbones.engine.pixels import to_pixels
from backbones.engine.protocol import AttentionContext, ModelShape
from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import BackboneSpec, Geometry, Precision, WeightsKind, network_bytes

CHANNELS, SIDE, PATCH = 6, 8, 2
LAYERS, HEADS, HEAD_DIM = 3, 5, 12
DIM, TOKENS = HEADS * HEAD_DIM, (SIDE // PATCH) ** 2
TEMPORAL_FACTOR, PIXELS = 2, 8


class TimeRotary:
    """Rotation of the two halves of a head by the temporal position alone."""

    num_positions = 300

    def factors(self, positions: Sequence[int]) -> Tensor:
        """Return cosines and sines as (token, 2, half a head)."""
        frequencies = 100.0 ** -torch.linspace(0, 1, HEAD_DIM // 2)
        angles = torch.outer(torch.tensor(positions, dtype=torch.float32), frequencies)
        return torch.stack([angles.cos(), angles.sin()], dim=1).repeat_interleave(TOKENS, dim=0)

    @staticmethod
    def rotate(x: Tensor, factors: Tensor) -> Tensor:
        """Turn channel i of the first half with channel i of the second."""
        cos, sin = factors.unbind(-2)
        first, second = x.chunk(2, dim=-1)
        turned = torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
        return turned.type_as(x)


class Layer(nn.Module):
    """Self-attention and a feed-forward network."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))


class Mosaic(nn.Module):
    """Predicts the flow of a block; fulfils BlockTransformer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Linear(CHANNELS * PATCH**2, DIM)
        self.space = nn.Parameter(torch.randn(TOKENS, DIM))
        self.noise_level = nn.Sequential(nn.Linear(1, DIM), nn.SiLU(), nn.Linear(DIM, DIM))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, CHANNELS * PATCH**2))

    def text_context(self, text: Tensor) -> Tensor:
        """Return the bias that a prompt adds to every token."""
        return text.mean(0)

    def time_context(self, timestep: float) -> Tensor:
        """Return the bias that a noise level adds to every token."""
        return self.noise_level(self.space.new_tensor([timestep / 1000]))

    def forward(
        self,
        latents: Tensor,
        time: Tensor,
        context: AttentionContext,
        text: Tensor,
        new_kv_LPHSD: Tensor | None = None,
    ) -> Tensor:
        """Return noise minus clean latents."""
        patches = F.pixel_unshuffle(latents, PATCH).flatten(2).transpose(1, 2)
        x = (self.patches(patches) + self.space + time + text).flatten(0, 1)
        for index, layer in enumerate(self.layers):
            heads = layer.qkv(layer.norm1(x)).unflatten(-1, (3, HEADS, HEAD_DIM))
            q, k, v = heads.permute(1, 2, 0, 3)
            y = context.attend(index, q, k, v, TimeRotary.rotate, new_kv_LPHSD)
            x = x + layer.out(y)
            x = x + layer.mlp(layer.norm2(x))
        patches = self.head(x).unflatten(0, (-1, TOKENS)).transpose(1, 2)
        rows = SIDE // PATCH
        return F.pixel_shuffle(patches.unflatten(2, (rows, rows)), PATCH)


class Decoder(nn.Module):
    """Two video frames from each latent frame and the one before it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(2 * CHANNELS, 32, 3, padding=1)
        self.frames = nn.Conv2d(32, TEMPORAL_FACTOR * 3 * PIXELS**2, 1)

    def forward(self, before: Tensor, latent: Tensor) -> Tensor:
        hidden = F.silu(self.hidden(torch.cat([before, latent])[None]))
        return F.pixel_shuffle(self.frames(hidden), PIXELS)[0].unflatten(0, (TEMPORAL_FACTOR, 3))


class Stream:
    """Decodes one video; fulfils StreamingDecoder."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._before: Tensor | None = None

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Return the RGB frames of the next latent frames; one of the very first."""
        video = []
        for latent in latents:
            first = self._before is None
            frames = self._decoder(latent if self._before is None else self._before, latent)
            video.append(frames[-1:] if first else frames)
            self._before = latent
        return to_pixels(torch.cat(video).tanh())


@dataclass
class MosaicBackbone(BackboneSource):
    """Arguments of the mosaic backbone.

    Args:
        seed: of its weights.
        denoising_step_list: timesteps of the denoising passes.
        budget_latents: context budget in latent frames, the block included.
        precision: number format of the transformer.
    """

    seed: int = 0
    denoising_step_list: list[int] = field(default_factory=lambda: [1000, 500])
    budget_latents: int = 12
    precision: Precision = Precision.float32

    def spec(self) -> BackboneSpec:
        """Describe the backbone."""
        return BackboneSpec(
            name="mosaic",
            geometry=Geometry(
                latent_shape=(CHANNELS, SIDE, SIDE),
                temporal_factor=TEMPORAL_FACTOR,
                fps=8,
                width=SIDE * PIXELS,
                height=SIDE * PIXELS,
            ),
            shape=ModelShape(
                layers=LAYERS,
                heads=HEADS,
                head_dim=HEAD_DIM,
                tokens_per_latent=TOKENS,
                rotary=TimeRotary(),
                flops_per_token=LAYERS * 2 * 12 * DIM**2,
            ),
            sampling=SamplingConfig(tuple(self.denoising_step_list), timestep_shift=1.0),
            block_latents=2,
            budget_latents=self.budget_latents,
            trained_latents=16,
            precision=self.precision,
            weights=WeightsKind.random,
            licence="none (random weights)",
            weights_bytes=(
                network_bytes(Mosaic, self.precision) + network_bytes(Decoder, Precision.float32)
            ),
        )

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Draw all weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model, decoder = Mosaic(), Decoder()
        model.eval().requires_grad_(False).to(device, self.precision.dtype)
        decoder.eval().requires_grad_(False).to(device)
        return Backbone(self.spec(), model, embed_words, lambda: Stream(decoder))


def embed_words(prompt: str) -> Tensor:
    """Return a vector per word, drawn from its digest."""
    digests = [hashlib.sha256(word.encode()).digest() for word in prompt.split()]
    seeds = [int.from_bytes(digest[:7], "big") for digest in digests]
    draws = [torch.randn(DIM, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(draws)
