"""The transformer of the street with the embeddings of its words, and its sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from backbones.engine.spec import Geometry
from backbones.street.vae import LATENT_CHANNELS, SPATIAL_FACTOR, TEMPORAL_FACTOR
from backbones.wan.config import WanConfig
from backbones.wan.transformer import CausalWanTransformer
from backbones.world.street.actors import SIDE_PX
from backbones.world.street.prompt import SLOTS, Scene, StreetPrompt, num_words
from backbones.world.street.script import FPS

# One frame of sink and either 8 of a window, or 6 of memory and 2 of a window.
PAST_LATENTS = 9
LATENT_SHAPE = (LATENT_CHANNELS, SIDE_PX // SPATIAL_FACTOR, SIDE_PX // SPATIAL_FACTOR)
GEOMETRY = Geometry(LATENT_SHAPE, TEMPORAL_FACTOR, FPS, SIDE_PX, SIDE_PX)
TIMESTEP_SHIFT = 3.0
DENOISING_STEPS = (1000, 875, 750, 600, 450, 300, 120)
_TEXT_DIM = 32


def wan_config(dim: int, layers: int) -> WanConfig:
    """Return the sizes of a transformer of this width and depth."""
    return WanConfig(
        dim=dim,
        ffn_dim=4 * dim,
        num_heads=dim // 48,
        num_layers=layers,
        in_dim=LATENT_CHANNELS,
        out_dim=LATENT_CHANNELS,
        freq_dim=256,
        text_dim=_TEXT_DIM,
        text_len=len(SLOTS),
    )


class StreetModel(nn.Module):
    """Transformer and word embeddings, which are trained together.

    Args:
        config: sizes of the transformer.
        scenes: those whose words it knows.
    """

    def __init__(self, config: WanConfig, scenes: Sequence[Scene] = (Scene.street,)) -> None:
        super().__init__()
        self.transformer = CausalWanTransformer(config)
        self.words = nn.Embedding(num_words(scenes), _TEXT_DIM)

    def encode_text(self, prompt: StreetPrompt) -> Float[Tensor, "token text_dim"]:
        """Return the text embedding of a prompt."""
        return self.words.weight[torch.tensor(prompt.token_ids())]
