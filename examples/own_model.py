"""A model of your own: a small causal transformer, unrelated to Wan, with random weights.

Blocks have two latent frames, and every latent pixel is a token. Time enters by a rotary embedding,
space by a learned one, and the prompt is a bias: there is no cross-attention.

Run it with `python own_model.py`, or name the class on the command line, in this folder:
`python -m harness sweep backbone=own_model:MosaicBackbone method=sliding_window,rag duration=10`
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import harness
from backbones.engine.backbone import Backbone, BackboneSource
from backbones.engine.pixels import to_pixels
from backbones.engine.protocol import AttentionContext, ModelShape
from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import BackboneSpec, Geometry, Precision, WeightsKind, network_bytes

CHANNELS, SIDE, TOKENS = 6, 4, 16  # of a latent frame
LAYERS, HEADS, HEAD_DIM = 3, 5, 12
DIM = HEADS * HEAD_DIM
TEMPORAL_FACTOR, PIXELS, FPS = 2, 64, 8


class TimeRotary:
    """Turns the two halves of a head by the temporal position alone."""

    num_positions = 300

    def factors(self, positions: Sequence[int]) -> Tensor:
        """Return cosines and sines as (token, 2, half a head)."""
        frequencies = 100.0 ** -torch.linspace(0, 1, HEAD_DIM // 2)
        angles = torch.outer(torch.tensor(positions, dtype=torch.float32), frequencies)
        return torch.stack([angles.cos(), angles.sin()], dim=1).repeat_interleave(TOKENS, dim=0)

    @staticmethod
    def rotate(x: Tensor, factors: Tensor) -> Tensor:
        """Return queries or keys at their positions."""
        cos, sin = factors.unbind(-2)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Layer(nn.Module):
    """Self-attention and a feed-forward network."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.mlp = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, DIM))

    def forward(
        self, x: Tensor, index: int, context: AttentionContext, new_kv_LPHSD: Tensor | None
    ) -> Tensor:
        heads = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, HEAD_DIM))
        q, k, v = heads.permute(1, 2, 0, 3)
        # The past is in `context`; the block's own keys and values are added to it.
        x = x + self.out(context.attend(index, q, k, v, TimeRotary.rotate, new_kv_LPHSD))
        return x + self.mlp(self.norm2(x))


class Mosaic(nn.Module):
    """Predicts the flow of a block."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels, self.text = nn.Linear(CHANNELS, DIM), nn.Linear(256, DIM)
        self.space = nn.Parameter(torch.randn(TOKENS, DIM))
        self.noise = nn.Sequential(nn.Linear(1, DIM), nn.SiLU(), nn.Linear(DIM, DIM))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.head = nn.Sequential(nn.LayerNorm(DIM), nn.Linear(DIM, CHANNELS))

    def text_context(self, text: Tensor) -> Tensor:
        """Return what a prompt adds to every token; computed once per prompt."""
        return self.text(text.sum(0))

    def time_context(self, timestep: float) -> Tensor:
        """Return what a noise level adds to every token; computed once per video."""
        return self.noise(self.space.new_tensor([timestep / 1000]))

    def forward(
        self,
        latents: Tensor,
        time: Tensor,
        context: AttentionContext,
        text: Tensor,
        new_kv_LPHSD: Tensor | None = None,
    ) -> Tensor:
        """Return noise minus clean latents, (frame, chan, height, width) as `latents`."""
        x = (self.pixels(latents.flatten(2).mT) + self.space + time + text).flatten(0, 1)
        for index, layer in enumerate(self.layers):
            x = layer(x, index, context, new_kv_LPHSD)
        return self.head(x).unflatten(0, (-1, TOKENS)).mT.unflatten(2, (SIDE, SIDE))


class Decoder:
    """Shows three latent channels as colours."""

    def __init__(self) -> None:
        self._num_dropped = TEMPORAL_FACTOR - 1  # the very first latent frame gives one frame

    def decode(self, latents: Tensor) -> Tensor:
        """Return the RGB frames of the next latent frames."""
        frames = F.interpolate(latents[:, :3].tanh(), size=(PIXELS, PIXELS))
        frames = frames.repeat_interleave(TEMPORAL_FACTOR, dim=0)[self._num_dropped :]
        self._num_dropped = 0
        return to_pixels(frames)


def embed(prompt: str) -> Tensor:
    """Return one row per byte of a prompt, (token, 256)."""
    return F.one_hot(torch.tensor(list(prompt.encode()), dtype=torch.long), 256).float()


@dataclass
class MosaicBackbone(BackboneSource):
    """Describes and loads the model; its fields are the arguments of the backbone.

    Args:
        seed: of the weights.
        denoising_step_list: timesteps of the denoising passes.
    """

    seed: int = 0
    denoising_step_list: list[int] = field(default_factory=lambda: [1000, 500])

    def spec(self) -> BackboneSpec:
        """Describe the backbone without loading it."""
        return BackboneSpec(
            name="mosaic",
            geometry=Geometry((CHANNELS, SIDE, SIDE), TEMPORAL_FACTOR, FPS, PIXELS, PIXELS),
            shape=ModelShape(
                LAYERS, HEADS, HEAD_DIM, TOKENS, TimeRotary(), flops_per_token=24 * LAYERS * DIM**2
            ),
            sampling=SamplingConfig(tuple(self.denoising_step_list), timestep_shift=1.0),
            block_latents=2,
            budget_latents=12,
            trained_latents=16,
            precision=Precision.float32,
            weights=WeightsKind.random,
            licence="none (random weights)",
            weights_bytes=network_bytes(Mosaic, Precision.float32),
        )

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Draw all weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = Mosaic()
        model.eval().requires_grad_(False).to(device)
        return Backbone(self.spec(), model, embed, Decoder)


if __name__ == "__main__":
    backbone = harness.load_backbone("own_model:MosaicBackbone")
    decoder = backbone.start_decoder()
    for block in harness.rollout(backbone, "a red ball rolls away", "rag", duration=10):
        frames = decoder.decode(block.latents)
        print(f"block {block.index}: retrieved {block.plan.memory_frames()}, {len(frames)} frames")
