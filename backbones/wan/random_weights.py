"""Weights and prompt embeddings drawn from seeds: videos show nothing, but everything runs.

Every tensor has its own generator on the CPU in float32, keyed by its name, so weights are the same
on every device and in every order. Their scale keeps activations finite over any rollout.
"""

from __future__ import annotations

import hashlib
import math

import torch
from jaxtyping import BFloat16
from torch import Tensor, nn

_SMALL = 0.02  # spread of biases around 0 and of gains around 1


def random_tensors(module: nn.Module, seed: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return a tensor for every name of a module, which may be on the meta device.

    Matrices and kernels get variance 1 / fan-in, so that a layer keeps the scale of its input.
    """
    kind = type(module).__name__
    return {
        name: _draw(f"{seed}\n{kind}\n{name}", name, tensor.shape).to(dtype)
        for name, tensor in module.state_dict().items()
    }


def random_embedding(
    prompt: str, num_tokens: int, seed: int, shape: tuple[int, int]
) -> BFloat16[Tensor, "token text_dim"]:
    """Return a text embedding of a prompt: noise for its tokens, zeros after them as from UMT5.

    Args:
        prompt: the text.
        num_tokens: tokens of the text.
        seed: seed of the backbone's weights.
        shape: (tokens, channels) of a text embedding.
    """
    embedding = _normal(f"{seed}\nprompt\n{prompt}", torch.Size(shape))
    embedding[num_tokens:] = 0
    return embedding.bfloat16()


def _draw(key: str, name: str, shape: torch.Size) -> Tensor:
    noise = _normal(key, shape)
    if noise.numel() == shape[0]:  # one number per channel: a bias or a gain
        return noise * _SMALL + (0 if name.endswith("bias") else 1)
    return noise / math.sqrt(noise.numel() / shape[0])


def _normal(key: str, shape: torch.Size) -> Tensor:
    digest = hashlib.sha256(key.encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(shape, generator=generator)
