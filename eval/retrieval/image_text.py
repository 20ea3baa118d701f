"""The descriptor `clip`: decoded frames, searched by the text of the prompt to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from eval.clip import Clip
from eval.metrics.text_alignment import chosen_networks
from harness.core.errors import ConfigError
from harness.core.machine import one_thread
from harness.core.weights_files import file_sha256
from methods.encoders.base import Source

if TYPE_CHECKING:
    from methods.base import BlockView


class ImageText:
    """open_clip embeddings of frames, searched by the prompt; the model of `text_alignment`.

    Raises:
        ConfigError: a checkpoint is given.
        LongtakeError: the package or the weights are missing; says how to get them.
    """

    source = Source.frames

    def __init__(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            raise ConfigError(
                "descriptor=clip has the weights of the metric text_alignment, which "
                "LONGTAKE_OPEN_CLIP=MODEL:FILE changes; leave method.checkpoint empty: "
                f"{checkpoint!r}."
            )
        self._images, self._text = chosen_networks()
        self._images.frame_step = 1
        for network in (self._images, self._text):
            network.check()
        self._see: Callable[[Clip], np.ndarray] | None = None
        self._read: Callable[[Clip], np.ndarray] | None = None

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any latent shape; only decoded frames are read."""

    def embed(self, inputs: UInt8[Tensor, "frame height width 3"]) -> Float[Tensor, "frame dim"]:
        """Return embeddings of unit length."""
        if self._see is None:
            self._device = inputs.device
            self._see = self._images.load(str(self._device))
        features = self._see(Clip(inputs.cpu().numpy(), 0, 1, ""))
        return torch.from_numpy(features).to(self._device)

    def embed_prompt(self, view: BlockView) -> Float[Tensor, " dim"]:
        """Return the embedding of the prompt, of unit length."""
        if self._read is None:
            self._read = self._text.load(str(self._device))
        with one_thread():  # the bits of products with a few tokens depend on the threads
            features = self._read(Clip(np.empty(0), 0, 1, view.segment().prompt))
        return torch.from_numpy(features).to(self._device)

    def fingerprint(self) -> str:
        """Return the names of the networks and the digest of their weights."""
        (file,) = self._images.files
        return f"{self._images.name} {file_sha256(file.path)}"
