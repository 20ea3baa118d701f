"""Rotary position embedding over (time, height, width), as in Wan.

The channels of an attention head are split in three parts: the first turns with the temporal
position, the others with the row and the column. Angles are computed in float64; their cosines
and sines are stored, and applied, in float32.

Letters: F latent frame, T token of one frame, H head, D head channel, R rotated pair of channels
(D = 2R), S = F*T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from backbones.engine.transfer import upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
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
        row_TR2 = _factors(rows, spatial_dim).repeat_interleave(columns, dim=0)
        column_TR2 = _factors(columns, spatial_dim).repeat(rows, 1, 1)
        # The tables stay on the CPU, where positions are known; only the result travels.
        self._temporal_PR2 = _factors(positions, temporal_dim)
        self._spatial_TR2 = torch.cat([row_TR2, column_TR2], dim=1)
        self._device = device

    @property
    def tokens_per_frame(self) -> int:
        """Tokens of one latent frame."""
        return len(self._spatial_TR2)

    def factors(self, positions: Sequence[int]) -> Float[Tensor, "frame*token head_dim/2 2"]:
        """Cosine and sine of all tokens of frames at the given temporal positions."""
        temporal_FR2 = self._temporal_PR2[list(positions)]
        num_frames, num_tokens = len(temporal_FR2), len(self._spatial_TR2)
        factors = torch.cat(
            [
                temporal_FR2[:, None].expand(-1, num_tokens, -1, -1),
                self._spatial_TR2[None].expand(num_frames, -1, -1, -1),
            ],
            dim=2,
        )
        return upload(factors.flatten(0, 1), self._device)


def rotate(
    x: Float[Tensor, "*batch token head_dim"], factors: Float[Tensor, "token head_dim/2 2"]
) -> Float[Tensor, "*batch token head_dim"]:
    """Turn each pair of neighbouring channels by its angle, in float32.

    One formula, written twice: complex products are six times faster than real ones when run one by
    one, and the only thing here that the compiler can't fuse.
    """
    pairs = x.float().unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        cos, sin = factors.unbind(-1)
        even, odd = pairs.unbind(-1)
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    else:
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(factors))
    return turned.flatten(-2).type_as(x)


def _factors(positions: int, dim: int) -> Float[Tensor, "position dim/2 2"]:
    frequencies = THETA ** -(torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).float()
