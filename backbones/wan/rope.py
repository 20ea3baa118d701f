"""Rotary position embedding over (time, height, width), as in Wan.

The channels of an attention head are split in three parts: the first turns with the temporal
position, the others with the row and the column. Angles are computed in float64; their cosines
and sines are stored, and applied, in float32.

Letters: F latent frame, T token of one frame, H head, D head channel, R rotated pair of channels
(D = 2R), S = F*T.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


_THETA = 10000.0


def rotate(
    x: Float[Tensor, "*batch token head_dim"], factors: Float[Tensor, "*#batch token head_dim/2 2"]
) -> Float[Tensor, "*batch token head_dim"]:
    """Turn each pair of neighbouring channels by its angle, in float32."""
    # One formula, written twice: run eagerly, complex products are six times faster than real
    # ones; compiled, they are the only part of a layer that isn't fused. Whatever has an axis of
    # its own for the two channels of a pair would be written to memory in float32.
    if torch.compiler.is_compiling():
        by_channel = factors.unsqueeze(-2).expand(*factors.shape[:-1], 2, 2).flatten(-3, -2)
        cos, sin = by_channel.unbind(-1)
        signs = torch.arange(x.shape[-1], device=x.device) % 2 * 2 - 1
        partners = x.float().unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return (x.float() * cos + partners * (sin * signs)).type_as(x)
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    turned = torch.view_as_real(pairs * torch.view_as_complex(factors))
    return turned.flatten(-2).type_as(x)


@dataclass(frozen=True)
class Rope:
    """Rotation of frames of `rows` x `columns` tokens; see `Rotary` in the engine's protocol.

    Attributes:
        head_dim: channels of one attention head.
        rows: token rows of one latent frame.
        columns: token columns of one latent frame.
        num_positions: size of the temporal table.
    """

    head_dim: int
    rows: int
    columns: int
    num_positions: int

    rotate = staticmethod(rotate)

    def factors(self, positions: Sequence[int]) -> Float[Tensor, "row half_head_dim 2"]:
        """Return cosine and sine of all tokens of frames at the given temporal positions."""
        temporal_FR2 = self._temporal_PR2[list(positions)]
        num_frames, num_tokens = len(temporal_FR2), len(self._spatial_TR2)
        factors = torch.cat(
            [
                temporal_FR2[:, None].expand(-1, num_tokens, -1, -1),
                self._spatial_TR2[None].expand(num_frames, -1, -1, -1),
            ],
            dim=2,
        )
        return factors.flatten(0, 1)

    @cached_property
    def _temporal_PR2(self) -> Tensor:
        return _table(self.num_positions, self.head_dim - 2 * self._spatial_dim)

    @cached_property
    def _spatial_TR2(self) -> Tensor:
        row_TR2 = _table(self.rows, self._spatial_dim).repeat_interleave(self.columns, dim=0)
        column_TR2 = _table(self.columns, self._spatial_dim).repeat(self.rows, 1, 1)
        return torch.cat([row_TR2, column_TR2], dim=1)

    @property
    def _spatial_dim(self) -> int:
        return 2 * (self.head_dim // 6)


def _table(positions: int, dim: int) -> Float[Tensor, "position half_dim 2"]:
    frequencies = _THETA ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).float()
