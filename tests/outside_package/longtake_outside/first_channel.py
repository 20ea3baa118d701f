"""An encoder: the first latent channel as the descriptor."""

import torch.nn.functional as F
from torch import Tensor


class FirstChannel:
    """The first channel of a latent frame, flattened."""

    def __init__(self, checkpoint: str | None) -> None:
        assert checkpoint is None

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any shape."""

    def embed(self, latents: Tensor) -> Tensor:
        """Return unit vectors of shape (frame, height * width)."""
        return F.normalize(latents[:, 0].flatten(1), dim=-1)

    def fingerprint(self) -> str:
        """Return a constant: there are no weights."""
        return "none"
