"""Scaled dot-product attention, and the choice of its fastest kernel.

Kernels differ in the last bits, so the choice is made once per kind of device, shape and version,
and kept in a file: a resumed rollout continues with the kernel that it started with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from backbones.engine.cudnn import cudnn_fault
from backbones.engine.lanes import Moment
from backbones.engine.runtime import AttentionKernel
from harness.core.errors import ConfigError
from harness.core.files import cache_root, locked, write_json

_BACKENDS = {
    AttentionKernel.flash: SDPBackend.FLASH_ATTENTION,
    AttentionKernel.cudnn: SDPBackend.CUDNN_ATTENTION,
    AttentionKernel.efficient: SDPBackend.EFFICIENT_ATTENTION,
    AttentionKernel.math: SDPBackend.MATH,
}
_ON_GPU = (AttentionKernel.cudnn, AttentionKernel.flash, AttentionKernel.efficient)
_TRIALS = 5

_current: ContextVar[AttentionKernel] = ContextVar("kernel", default=AttentionKernel.auto)


@dataclass(frozen=True)
class AttentionShape:
    """Sizes that the speed of attention depends on.

    Attributes:
        heads: attention heads.
        queries: tokens of a block.
        keys: tokens of a full context, the block included.
        head_dim: channels of a head.
        dtype: number format.
    """

    heads: int
    queries: int
    keys: int
    head_dim: int
    dtype: torch.dtype


def attend(q_HSD: torch.Tensor, k_HKD: torch.Tensor, v_HKD: torch.Tensor) -> torch.Tensor:
    """Return scaled dot-product attention as (token, head and channel)."""
    return attend_by_head(q_HSD, k_HKD, v_HKD).transpose(0, 1).flatten(1)


def attend_by_head(q_HSD: torch.Tensor, k_HKD: torch.Tensor, v_HKD: torch.Tensor) -> torch.Tensor:
    """Return scaled dot-product attention as (head, token, head channel)."""
    return F.scaled_dot_product_attention(q_HSD[None], k_HKD[None], v_HKD[None])[0]


def pick_kernel(
    asked: AttentionKernel, shape: AttentionShape, device: torch.device
) -> AttentionKernel:
    """Return the kernel to use.

    Args:
        asked: a kernel, or auto: the fastest on a GPU, flash on the processor.
        shape: sizes of a block with a full context.
        device: where it runs.

    Raises:
        ConfigError: the kernel that was asked for doesn't run on this device.
    """
    if asked is not AttentionKernel.auto:
        if (reason := _time(asked, shape, device)[1]) is not None:
            raise ConfigError(f"kernels.attention={asked} doesn't run on {device}: {reason}")
        return asked
    if device.type == "cpu":
        return AttentionKernel.flash
    return fastest(_key(shape, device), _ON_GPU, lambda kernel: _time(kernel, shape, device)[0])


def fastest(
    key: str,
    kernels: tuple[AttentionKernel, ...],
    seconds_of: Callable[[AttentionKernel], float],
) -> AttentionKernel:
    """Return the fastest kernel, measured once per key and remembered in the user's cache.

    If none of them runs (each takes infinitely long), return math.
    """
    path = cache_root() / "attention.json"
    with locked(path.with_suffix(".lock")):
        choices = _read(path)
        if key not in choices:
            seconds = {kernel: seconds_of(kernel) for kernel in kernels}
            best = min(kernels, key=seconds.__getitem__)
            if seconds[best] == float("inf"):
                return AttentionKernel.math
            choices[key] = best
            write_json(path, choices)
    return choices[key]


@contextmanager
def using(kernel: AttentionKernel) -> Iterator[None]:
    """Restrict attention inside the block to one kernel."""
    with sdpa_kernel(_BACKENDS[kernel]):
        before = _current.set(kernel)
        try:
            yield
        finally:
            _current.reset(before)


def current_kernel() -> AttentionKernel:
    """Return the kernel of the innermost `using`; auto outside of one: torch chooses.

    Compiled code that computes attention keeps the kernel it was compiled with, so it must take
    this as an argument.
    """
    return _current.get()


def _key(shape: AttentionShape, device: torch.device) -> str:
    parts = (
        torch.cuda.get_device_name(device),
        f"torch {torch.__version__}",
        f"cudnn {torch.backends.cudnn.version()}",
        # Some kernels refuse to run under strict determinism.
        f"deterministic {torch.are_deterministic_algorithms_enabled()}",
        str(shape),
    )
    return " | ".join(parts)


def _read(path: Path) -> dict[str, AttentionKernel]:
    """Return the choices of before; none if there is no such file or it is damaged."""
    try:
        choices = json.loads(path.read_bytes())
        return {key: AttentionKernel(choices[key]) for key in choices}
    # Not with msgspec, which a machine that runs the GPU self-test alone may lack.
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _time(
    kernel: AttentionKernel, shape: AttentionShape, device: torch.device
) -> tuple[float, str | None]:
    """Return the best seconds of a few trials and None, or infinity and the reason of a failure."""
    if kernel is AttentionKernel.cudnn and device.type == "cuda" and (fault := cudnn_fault()):
        return float("inf"), fault

    def random(tokens: int) -> torch.Tensor:
        return torch.randn(1, shape.heads, tokens, shape.head_dim, dtype=shape.dtype, device=device)

    q, k, v = random(shape.queries), random(shape.keys), random(shape.keys)
    best_s = float("inf")
    with torch.inference_mode(), using(kernel):
        for _ in range(_TRIALS):
            before = Moment(device)
            try:
                F.scaled_dot_product_attention(q, k, v)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                return float("inf"), str(error).splitlines()[0]
            best_s = min(best_s, Moment(device).seconds_since(before))
    return best_s, None
