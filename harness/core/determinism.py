"""Strict determinism (an operation without a deterministic kernel is an error), full float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from harness.core.errors import DeviceError

# Parts of the messages torch raises for such an operation.
_PHRASES = (
    "does not have a deterministic implementation",
    "is not deterministic because",
    "Deterministic behavior was enabled",
)


@contextmanager
def strictly_deterministic(enabled: bool) -> Iterator[None]:
    """Allow only deterministic kernels inside the block, if enabled; blocks may be nested.

    Raises:
        DeviceError: an operation has none here; the message names it.
    """
    if not enabled:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    fill: Any = torch.utils.deterministic
    fill.fill_uninitialized_memory = False  # every tensor is written before it is read
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if any(phrase in str(error) for phrase in _PHRASES):
            raise DeviceError(
                "deterministic=true, but an operation has no deterministic implementation here: "
                f"{str(error).splitlines()[0]} Avoid it, or run with deterministic=false."
            ) from error
        raise
    finally:
        torch.use_deterministic_algorithms(before)
        fill.fill_uninitialized_memory = not before
        torch.backends.cudnn.benchmark = benchmark


def full_float32() -> AbstractContextManager[None]:
    """Compute float32 products and convolutions in full, not in TF32, on every GPU."""
    return tf32(False)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow TF32 in float32 products and convolutions, or don't.

    TF32 has the mantissa of float16, and is what cuDNN takes for convolutions by default.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
