"""Early estimates, without labels, of what descriptors would do in retrieval."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_NEAR_LATENTS = 3  # frames closer in time than this are duplicates of each other
_FAR_LATENTS = 24
_MEMORY_LATENTS = 6
_GUARD_LATENTS = 16  # newest frames that retrieval excludes: window and recency guard


def retrieval_estimates(descriptors: Float[Tensor, "frame dim"]) -> dict[str, float]:
    """Compute the numbers of one video.

    Returns:
        near_cosine: mean cosine of neighbours in time.
        far_cosine: mean cosine of frames at least 6 s apart; NaN in a shorter video.
        duplicates: share of retrieved frames with another retrieved one within 3 latents; NaN
            where there is nothing to retrieve yet.
        spread_latents: mean distance in time of two frames retrieved together; NaN likewise.
    """
    unit_FD = F.normalize(descriptors.float(), dim=-1)
    cosines_FF = unit_FD @ unit_FD.T
    frames = torch.arange(len(unit_FD), device=unit_FD.device)
    apart_FF = (frames[:, None] - frames).abs()
    far = cosines_FF[apart_FF >= _FAR_LATENTS]
    duplicates, spreads = [], []
    for query in range(_GUARD_LATENTS + _MEMORY_LATENTS, len(unit_FD)):
        taken = cosines_FF[query, : query - _GUARD_LATENTS].topk(_MEMORY_LATENTS).indices
        apart = (taken[:, None] - taken).abs()
        others = ~torch.eye(_MEMORY_LATENTS, dtype=torch.bool, device=apart.device)
        duplicates.append(((apart <= _NEAR_LATENTS) & others).any(1).float().mean())
        spreads.append(apart[others].float().mean())
    nothing = torch.tensor([float("nan")])
    return {
        "near_cosine": float(cosines_FF.diagonal(1).mean()),
        "far_cosine": float(far.mean() if len(far) else nothing),
        "duplicates": float(torch.stack(duplicates).mean() if duplicates else nothing),
        "spread_latents": float(torch.stack(spreads).mean() if spreads else nothing),
    }
