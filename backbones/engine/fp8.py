"""Linear layers in 8 bits: weights and inputs in float8_e4m3fn, one scale for each row of both.

A row of the input is a token, a row of the weight a channel out. Sums are float32, the result is
bfloat16. The CPU computes the same products, slowly.
"""

from __future__ import annotations

import torch
from jaxtyping import BFloat16, Float, Float8e4m3fn, Float32
from torch import Tensor, nn

from harness.core.errors import DeviceError

_LARGEST = torch.finfo(torch.float8_e4m3fn).max
_SMALLEST_SCALE = 1e-12  # of a row of zeros
_CAPABILITY = (8, 9)


def require_fp8(device: torch.device) -> None:
    """Refuse a GPU that has no products in 8 bits.

    Raises:
        DeviceError: it is older than Ada and Hopper.
    """
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < _CAPABILITY:
            raise DeviceError(
                "backbone.precision=fp8 needs a GPU of compute capability 8.9 or later (Ada, "
                f"Hopper), and {torch.cuda.get_device_name(device)} has "
                f"{'.'.join(map(str, capability))}. Use backbone.precision=bfloat16."
            )


def to_fp8(
    x: Float[Tensor, "row chan"],
) -> tuple[Float8e4m3fn[Tensor, "row chan"], Float32[Tensor, "row 1"]]:
    """Return the rows in 8 bits, and what to multiply each of them by to get it back."""
    scale = (x.abs().amax(-1, keepdim=True).float() / _LARGEST).clamp(min=_SMALLEST_SCALE)
    return (x.float() / scale).to(torch.float8_e4m3fn), scale


def replace_linear(module: nn.Module, *names: str) -> None:
    """Put linear layers in 8 bits in the place of those of a module."""
    for name in names:
        layer = getattr(module, name)
        setattr(module, name, Fp8Linear(layer.weight, layer.bias))


class Fp8Linear(nn.Module):
    """A linear layer whose product is computed in 8 bits; for inference.

    Args:
        weight: weight of the layer it stands for; both sizes are multiples of 16.
        bias: its bias.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(
        self, weight: BFloat16[Tensor, "chan_out chan_in"], bias: BFloat16[Tensor, " chan_out"]
    ) -> None:
        super().__init__()
        small, scale = to_fp8(weight.detach())
        self.register_buffer("weight", small)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias.detach())

    def forward(self, x: BFloat16[Tensor, "token chan_in"]) -> BFloat16[Tensor, "token chan_out"]:
        small, scale = to_fp8(x)
        return torch._scaled_mm(
            small,
            self.weight.t(),
            scale,
            self.scale.t(),
            bias=self.bias,
            out_dtype=x.dtype,
            use_fast_accum=True,
        )
