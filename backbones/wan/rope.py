"""Rotary position embedding over (time, height, width), as in Wan.

The channels of an attention head are split in three parts: the first turns with the temporal
position, the others with the row and the column. Angles are computed in float64 and
stored as complex64.

Letters: F latent frame, T token of one frame, H head, D head channel, S = F*T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Complex, Float
    from torch import Tensor

THETA = 10000.0


class Rope:
    """Rotation factors for frames of `rows` x `columns` tokens.

    Args:
        head_dim: channels of one attention head.
        rows: token rows of one latent frame.
        columns: token columns of one latent frame.
        positions: size of the temporal table.
        device: where the factors live.
    """

    def __init__(
        self, head_dim: int, rows: int, columns: int, positions: int, device: torch.device
    ) -> None:
        spatial_dim = 2 * (head_dim // 6)
        temporal_dim = head_dim - 2 * spatial_dim
        self._temporal_PD = _factors(positions, temporal_dim).to(device)
        row_TD = _factors(rows, spatial_dim).repeat_interleave(columns, dim=0)
        column_TD = _factors(columns, spatial_dim).repeat(rows, 1)
        self._spatial_TD = torch.cat([row_TD, column_TD], dim=1).to(device)

    def factors(self, positions: Sequence[int]) -> Complex[Tensor, "frame*token head_dim/2"]:
        """Rotation factors of all tokens of frames at the given temporal positions."""
        temporal_FD = self._temporal_PD[list(positions)]
        num_frames, num_tokens = len(temporal_FD), len(self._spatial_TD)
        return torch.cat(
            [
                temporal_FD[:, None].expand(-1, num_tokens, -1),
                self._spatial_TD[None].expand(num_frames, -1, -1),
            ],
            dim=-1,
        ).flatten(0, 1)


def rotate(
    x: Float[Tensor, "*batch token head_dim"], factors: Complex[Tensor, "token head_dim/2"]
) -> Float[Tensor, "*batch token head_dim"]:
    """Turn each pair of neighbouring channels by its factor, in float32."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * factors).flatten(-2).type_as(x)


def _factors(positions: int, dim: int) -> Complex[Tensor, "position dim/2"]:
    frequencies = THETA ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)
