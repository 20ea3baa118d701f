"""Strict determinism: an operation that can't be repeated bit by bit is an error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.core.errors import LongtakeError

# What torch says of such an operation.
_PHRASES = (
    "does not have a deterministic implementation",
    "is not deterministic because",
    "Deterministic behavior was enabled",
)


def prepare_cublas() -> None:
    """Make cuBLAS repeatable; it reads this when it is first used."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def strictly_deterministic(enabled: bool) -> Iterator[None]:
    """Only deterministic kernels run inside the block, if enabled.

    Raises:
        LongtakeError: an operation has none; the message names it.
    """
    if not enabled:
        yield
        return
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    fill: Any = torch.utils.deterministic
    fill.fill_uninitialized_memory = False  # nothing reads what isn't written
    torch.backends.cudnn.benchmark = False
    try:
        yield
    except RuntimeError as error:
        if any(phrase in str(error) for phrase in _PHRASES):
            raise LongtakeError(
                "deterministic=true, but an operation has no deterministic implementation here: "
                f"{str(error).splitlines()[0]} Leave it out, or run with deterministic=false."
            ) from error
        raise
    finally:
        torch.use_deterministic_algorithms(False)
        fill.fill_uninitialized_memory = True
        torch.backends.cudnn.benchmark = benchmark
