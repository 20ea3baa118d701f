"""Scaled dot-product attention by the kernel that is in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

import torch
import torch.nn.attention as torch_attention
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from backbones.engine.runtime import AttentionKernel

_BACKENDS = {
    AttentionKernel.flash: SDPBackend.FLASH_ATTENTION,
    AttentionKernel.fa3: SDPBackend.FLASH_ATTENTION,
    AttentionKernel.fa4: SDPBackend.FLASH_ATTENTION,
    AttentionKernel.cudnn: SDPBackend.CUDNN_ATTENTION,
    AttentionKernel.efficient: SDPBackend.EFFICIENT_ATTENTION,
    AttentionKernel.math: SDPBackend.MATH,
}
# What torch's registry calls them. Each takes the place of torch's own flash kernel.
FLASH_PACKAGES = {AttentionKernel.fa3: "FA3", AttentionKernel.fa4: "FA4"}

_current: ContextVar[AttentionKernel] = ContextVar("kernel", default=AttentionKernel.auto)


def attend(q_HSD: torch.Tensor, k_HKD: torch.Tensor, v_HKD: torch.Tensor) -> torch.Tensor:
    """Return scaled dot-product attention as (token, head and channel).

    Kernels write their result in the memory order of the queries, so queries in token order (see
    `in_token_order`) spare a copy.
    """
    return attend_by_head(q_HSD, k_HKD, v_HKD).transpose(0, 1).flatten(1)


def attend_by_head(q_HSD: torch.Tensor, k_HKD: torch.Tensor, v_HKD: torch.Tensor) -> torch.Tensor:
    """Return scaled dot-product attention as (head, token, head channel)."""
    return F.scaled_dot_product_attention(q_HSD[None], k_HKD[None], v_HKD[None])[0]


def attend_together(
    q: Sequence[torch.Tensor], k: Sequence[torch.Tensor], v: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Return `attend` of several videos with equally long contexts.

    It is one call where their keys and values lie at equal distances in one buffer. The bits are
    those of one call for each video on the CPU. A kernel of a GPU may split short contexts by the
    number of videos; the check `batch` of the self-test compares them there.
    """
    k_BHKD, v_BHKD = (None, None) if len(q) == 1 else (_side_by_side(k), _side_by_side(v))
    if k_BHKD is None or v_BHKD is None:
        return [attend(*one) for one in zip(q, k, v, strict=True)]
    q_BHSD = torch.stack([q_HSD.transpose(0, 1) for q_HSD in q]).transpose(1, 2)
    y_BHSD = F.scaled_dot_product_attention(q_BHSD, k_BHKD, v_BHKD)
    return list(y_BHSD.transpose(1, 2).flatten(2))


def _side_by_side(tensors: Sequence[torch.Tensor]) -> torch.Tensor | None:
    """Return tensors of one buffer as one with another axis, uncopied; None if they don't fit."""
    first = tensors[0]
    if len({(x.untyped_storage().data_ptr(), x.shape, x.stride()) for x in tensors}) > 1:
        return None
    steps = {later.storage_offset() - one.storage_offset() for one, later in pairwise(tensors)}
    if len(steps) > 1 or (step := steps.pop()) <= 0:
        return None
    return first.as_strided((len(tensors), *first.shape), (step, *first.stride()))


def in_token_order(x_HSD: torch.Tensor) -> torch.Tensor:
    """Return (head, token, head channel) with the heads of a token together in memory."""
    return x_HSD.transpose(0, 1).contiguous().transpose(0, 1)


@contextmanager
def using(kernel: AttentionKernel) -> Iterator[None]:
    """Restrict attention inside the block to one kernel.

    Raises:
        Exception: whatever the package of fa3 or fa4 raises where it is missing or refuses.
    """
    with sdpa_kernel(_BACKENDS[kernel]), _flash_package(kernel):
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


@contextmanager
def _flash_package(kernel: AttentionKernel) -> Iterator[None]:
    """Let torch's flash attention be computed by the package of a kernel, or by torch itself."""
    if not hasattr(torch_attention, "activate_flash_attention_impl"):
        if kernel in FLASH_PACKAGES:
            raise RuntimeError(f"torch {torch.__version__} has no registry of flash attention")
        yield
        return
    before = torch_attention.current_flash_attention_impl()
    _activate(FLASH_PACKAGES.get(kernel), before)
    try:
        yield
    finally:
        _activate(before, torch_attention.current_flash_attention_impl())


def _activate(package: str | None, current: str | None) -> None:
    if package == current:
        return
    if package is None:
        torch_attention.restore_flash_attention_impl()
    else:
        torch_attention.activate_flash_attention_impl(package)
