"""Timing of retrieval at any size: encoding one block and searching the index.

An exact search takes at least as long as one read of the index. The paper reports 3.96 ms to encode
and 0.08 ms to search per block, on a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch

from harness.core.environment import Machine, describe_machine
from methods.encoders.index import DescriptorIndex
from methods.encoders.network import AutoencoderConfig, ConvEncoder

PAPER_ENCODE_MS, PAPER_SEARCH_MS = 3.96, 0.08
_BLOCK_LATENTS = 3
_WARM_UP, _REPEATS = 3, 21


@dataclass(frozen=True)
class SearchRow:
    """Median times for one size of the index.

    Attributes:
        num_frames: frames in the index.
        dim: length of a descriptor.
        index_mib: size of the index.
        floor_ms: time of one read of the index.
        search_ms: time of one exact top-K, until the frame numbers are on the host.
    """

    num_frames: int
    dim: int
    index_mib: float
    floor_ms: float
    search_ms: float


@dataclass(frozen=True)
class SearchBench:
    """Result: the time to encode one block, one row per size, and the machine."""

    encode_ms: float
    latent_shape: tuple[int, int, int]
    rows: tuple[SearchRow, ...]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def bench_search(
    sizes: list[int], dim: int, count: int, config: AutoencoderConfig, device: torch.device
) -> SearchBench:
    """Time the encoder of `config` on one block and searches among `sizes` frames.

    Args:
        sizes: numbers of frames in the index.
        dim: length of a descriptor.
        count: K.
        config: size of the encoder; its weights are random, which takes the same time.
        device: device that computes.
    """
    encoder = ConvEncoder(config).to(device).eval().requires_grad_(False)
    block = torch.randn(_BLOCK_LATENTS, *config.latent_shape, device=device)
    with torch.inference_mode():
        encode_ms = _time_ms(lambda: encoder(block), device)
        rows = tuple(_row(size, dim, count, device) for size in sizes)
    return SearchBench(encode_ms, config.latent_shape, rows, describe_machine(device))


def _row(size: int, dim: int, count: int, device: torch.device) -> SearchRow:
    generator = torch.Generator(device).manual_seed(0)
    vectors = torch.randn(size, dim, device=device, generator=generator)
    vectors /= vectors.norm(dim=1, keepdim=True)
    index = DescriptorIndex(size)
    index.add(vectors)
    query = index.mean(len(index) - 1, len(index))
    floor_ms = _time_ms(lambda: vectors.sum(), device)
    search_ms = _time_ms(lambda: index.search(query, 0, size, count), device)
    return SearchRow(size, dim, vectors.nbytes / 2**20, floor_ms, search_ms)


def _time_ms(call: Callable[[], object], device: torch.device) -> float:
    """Return the median wall time of a call, including the wait for the device."""
    times = []
    for repeat in range(_WARM_UP + _REPEATS):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat >= _WARM_UP:
            times.append(1e3 * (time.perf_counter() - started))
    return median(times)
