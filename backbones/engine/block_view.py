"""Keys and decoded frames of a block for the strategies that ask for them.

Letters: L layer, P key or value, H head, S token of a block, F latent frame, D head channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone, StreamingDecoder


class RolloutView:
    """The block that a rollout has just made; fulfils BlockView of the methods.

    Everything is computed when it is asked for.

    Args:
        backbone: the models; the view starts its own decoder at the first call of `frames`.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._decoder: StreamingDecoder | None = None
        self._num_shown = 0
        self._num_decoded = 0

    def show(self, latents: Tensor, new_kv_LPHSD: Tensor) -> None:
        """Show the block whose clean pass just wrote `new_kv_LPHSD`."""
        self._latents, self._new_kv_LPHSD = latents, new_kv_LPHSD
        self._num_shown += len(latents)

    def mean_keys(self) -> Float[Tensor, "frame layer chan"]:
        """Return the un-rotated keys of the clean pass, averaged over a frame's tokens."""
        keys_LHSD = self._new_kv_LPHSD[:, 0].float()
        keys_LHFD = keys_LHSD.unflatten(2, (len(self._latents), -1)).mean(3)
        return keys_LHFD.permute(2, 0, 1, 3).flatten(2)

    def frames(self) -> UInt8[Tensor, "frame height width 3"]:
        """Return the last video frame of each latent frame; decodes the block."""
        first = self._num_shown - len(self._latents)
        assert self._num_decoded == first, "the decoder streams: ask for every block, once"
        if self._decoder is None:
            self._decoder = self._backbone.start_decoder()
        video = self._decoder.decode(self._latents)
        self._num_decoded = self._num_shown
        factor = self._backbone.spec.geometry.temporal_factor
        return torch.as_tensor(video[(len(video) - 1) % factor :: factor])
