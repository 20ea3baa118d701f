"""What a strategy may see of the model beside latents; computed only when it asks.

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
    """See methods.base.BlockView.

    Args:
        backbone: the models; a decoder of its own is started at the first call of `frames`.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._decoder: StreamingDecoder | None = None
        self._num_shown = 0
        self._num_decoded = 0

    def show(self, latents: Tensor, new_kv_LPHSD: Tensor) -> None:
        """Turn to the block whose clean pass just wrote `new_kv_LPHSD`."""
        self._latents, self._new_kv_LPHSD = latents, new_kv_LPHSD
        self._num_shown += len(latents)

    def mean_keys(self) -> Float[Tensor, "frame layer chan"]:
        """See BlockView.mean_keys."""
        keys_LHSD = self._new_kv_LPHSD[:, 0].float()
        keys_LHFD = keys_LHSD.unflatten(2, (len(self._latents), -1)).mean(3)
        return keys_LHFD.permute(2, 0, 1, 3).flatten(2)

    def frames(self) -> UInt8[Tensor, "frame height width 3"]:
        """See BlockView.frames."""
        first = self._num_shown - len(self._latents)
        assert self._num_decoded == first, "the decoder streams: ask for every block, once"
        if self._decoder is None:
            self._decoder = self._backbone.start_decoder()
        video = self._decoder.decode(self._latents)
        self._num_decoded = self._num_shown
        factor = self._backbone.spec.geometry.temporal_factor
        return torch.as_tensor(video[(len(video) - 1) % factor :: factor])
