"""A Vision Transformer that reads the weights of DINO and DINOv2, as torch.hub and timm store them.

Sizes follow from the weights: patch size, width, depth, registers, layer scale. Heads are 64 wide,
as in all released DINO models.

Letters: B image, T token, E channel, H head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from harness.core.errors import MissingWeights

_HEAD_DIM = 64
_EPS = 1e-6
_WRAPPERS = ("teacher", "student", "model", "state_dict")
_PREFIXES = ("module.", "backbone.")
_RENAMED = {"register_tokens": "reg_token"}
_UNUSED = re.compile(r"(head|mask_token|fc_norm)\b")  # parts that features don't need


class _Attention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x_BTE: Tensor) -> Tensor:
        q, k, v = self.qkv(x_BTE).unflatten(-1, (3, -1, _HEAD_DIM)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x_BTE: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x_BTE)))


class _Scale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x_BTE: Tensor) -> Tensor:
        return x_BTE * self.gamma


class _Block(nn.Module):
    def __init__(self, dim: int, hidden: int, scaled: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, _EPS)
        self.attn = _Attention(dim)
        self.norm2 = nn.LayerNorm(dim, _EPS)
        self.mlp = _Mlp(dim, hidden)
        self.ls1 = _Scale(dim) if scaled else nn.Identity()
        self.ls2 = _Scale(dim) if scaled else nn.Identity()

    def forward(self, x_BTE: Tensor) -> Tensor:
        x_BTE = x_BTE + self.ls1(self.attn(self.norm1(x_BTE)))
        return x_BTE + self.ls2(self.mlp(self.norm2(x_BTE)))


class _PatchEmbed(nn.Module):
    def __init__(self, dim: int, patch_px: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_px, patch_px)


class VisionTransformer(nn.Module):
    """Maps images to the class token of the last layer, normalised by its layer norm.

    Args:
        tensors: weights; see `vit_weights`.

    Raises:
        MissingWeights: weights of another architecture.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        try:
            dim, _, self.patch_px, _ = tensors["patch_embed.proj.weight"].shape
            hidden = tensors["blocks.0.mlp.fc1.weight"].shape[0]
            positions = tensors["pos_embed"].shape[1]
        except (KeyError, ValueError) as error:
            raise MissingWeights(
                f"not the weights of a DINO Vision Transformer: {error}."
            ) from error
        depth = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
        self.patch_embed = _PatchEmbed(dim, self.patch_px)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, dim))
        self.reg_token: nn.Parameter | None = None
        if "reg_token" in tensors:
            self.reg_token = nn.Parameter(torch.zeros(tensors["reg_token"].shape))
        scaled = "blocks.0.ls1.gamma" in tensors
        self.blocks = nn.Sequential(*(_Block(dim, hidden, scaled) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, _EPS)
        try:
            self.load_state_dict(dict(tensors))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise MissingWeights(
                f"not the weights of a DINO Vision Transformer: {reason}"
            ) from error

    def forward(self, images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Return the features of normalised images whose sides are multiples of the patch."""
        grid_BEhw = self.patch_embed.proj(images)
        x_BTE = grid_BEhw.flatten(2).transpose(1, 2)
        cls_BTE = self.cls_token.expand(len(images), -1, -1)
        patches, cls_position = self._positions(*grid_BEhw.shape[2:])
        prefix = [cls_BTE + cls_position]
        if self.reg_token is not None:
            prefix.append(self.reg_token.expand(len(images), -1, -1))
        return self.norm(self.blocks(torch.cat([*prefix, x_BTE + patches], dim=1)))[:, 0]

    def _positions(self, rows: int, columns: int) -> tuple[Tensor, Tensor | float]:
        """Return position embeddings: of the patches, resampled to the grid; of the class token."""
        side = math.isqrt(self.pos_embed.shape[1])
        own = self.pos_embed.shape[1] == side * side  # timm stores none for a class token
        patches = self.pos_embed if own else self.pos_embed[:, 1:]
        side = math.isqrt(patches.shape[1])
        if (rows, columns) != (side, side):
            grid = patches.transpose(1, 2).unflatten(2, (side, side))
            grid = F.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
            patches = grid.flatten(2).transpose(1, 2)
        return patches, 0.0 if own else self.pos_embed[:, :1]


def vit_weights(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the weights in a checkpoint without the wrappers that training code adds."""
    for wrapper in _WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            return vit_weights(inner)
    tensors = {}
    for name, tensor in content.items():
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        if isinstance(tensor, torch.Tensor) and not _UNUSED.match(name):
            tensors[_RENAMED.get(name, name)] = tensor.float()
    return tensors
