"""An encoder of your own: the numbers by which retrieval compares latent frames.

Run it with `python own_encoder.py`, or name the class on the command line, in this folder:
`python -m harness sweep method=rag method.descriptor=own_encoder:FirstChannel duration=30`
"""

import torch.nn.functional as F
from torch import Tensor

import harness


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


if __name__ == "__main__":
    result = harness.sweep(
        "backbone.denoising_step_list=[1000]",  # one step instead of seven, for a quick look
        "method.descriptor=avg_pool,own_encoder:FirstChannel",
        name="own_encoder",
        method="rag",
        duration=9,
        prompts={"num": 1},
        suite=[],
        progress=True,
    )
    memory = result.store.traces.query("role == 'memory'")
    print(memory.groupby(["method", "block"])["frame"].agg(list))
