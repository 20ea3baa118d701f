"""Peak rates of this machine, measured: matrix products and copies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from backbones.engine.fp8 import Fp8Linear
from backbones.engine.lanes import Moment
from backbones.engine.spec import Precision
from backbones.engine.transfer import upload

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone

_WARM_UP_S, _IN_A_ROW = 0.5, 20
_COPY_BYTES = 2**28


@dataclass(frozen=True)
class Rates:
    """Rates that a device sustains.

    Attributes:
        matmul_flops_per_s: multiplications and additions of a product as in a feed-forward network:
            the tokens of a block by a matrix four times as wide as the model, in its precision.
        copy_bytes_per_s: bytes copied within the memory of the device.
        upload_bytes_per_s: bytes copied from pinned host memory to the device; None on the
            CPU.
    """

    matmul_flops_per_s: float
    copy_bytes_per_s: float
    upload_bytes_per_s: float | None


@torch.inference_mode()
def measure_rates(backbone: Backbone) -> Rates:
    """Measure the rates of the device of a loaded backbone."""
    spec, device = backbone.spec, backbone.device
    tokens = spec.block_latents * spec.shape.tokens_per_latent
    width = spec.shape.heads * spec.shape.head_dim
    dtype = spec.precision.dtype
    x = torch.randn(tokens, width, dtype=dtype, device=device)
    linear = nn.Linear(width, 4 * width, dtype=dtype, device=device)
    product: nn.Module = linear
    if spec.precision is Precision.fp8:
        product = Fp8Linear(linear.weight, linear.bias)
    flops = 2 * tokens * width * 4 * width
    source = torch.zeros(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    upload_rate = None
    if device.type == "cuda":
        host = torch.zeros(_COPY_BYTES, dtype=torch.uint8).pin_memory()
        upload_rate = _COPY_BYTES / _sustained_s(lambda: upload(host, device), device)
    return Rates(
        flops / _sustained_s(lambda: product(x), device),
        _COPY_BYTES / _sustained_s(lambda: target.copy_(source), device),
        upload_rate,
    )


def _sustained_s(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a piece of work, the mean of many in a row.

    Clocks fall within the first half second of work, so a few single launches would be too fast.
    """
    started = time.perf_counter()
    while time.perf_counter() - started < _WARM_UP_S:
        work()
        Moment(device).seconds_since(Moment(device))  # waits, so that no long queue builds up
    before = Moment(device)
    for _ in range(_IN_A_ROW):
        work()
    return Moment(device).seconds_since(before) / _IN_A_ROW
