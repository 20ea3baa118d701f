"""Measurements of speed: the rollout and the decoder, each alone and both at once; a profile."""

from __future__ import annotations

import gzip
import math
import re
import shutil
import time
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.profiler import DeviceType, ProfilerActivity, profile

from backbones.engine.lanes import Moment
from backbones.engine.runtime import KVLimits, Runtime
from backbones.wan.backbone import Flavor
from backbones.wan.vae import WanDecoder
from harness.core.disk import check_trace
from harness.core.machine import GIB
from harness.studies.gpu_selftest.claims import (
    Claim,
    NotInstalled,
    Outcome,
    at_least,
    at_most,
    true,
)
from harness.studies.gpu_selftest.rollout_checks import fetches
from harness.studies.gpu_selftest.setup import Made, Setup, median_of, retrieval, window

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from methods.base import MemoryStrategy

_TRACE_MIB = 16
_PROFILED_BLOCKS = 2
_TOP = 15
_KINDS = {
    "attention": re.compile(r"flash|fmha|attention|sdpa", re.IGNORECASE),
    "products": re.compile(r"gemm|cutlass|nvjet|addmm|\bmm\b|linear|xmma", re.IGNORECASE),
}
_VIDEO_FRAMES = 33


def speed(setup: Setup) -> Outcome:
    """The rollout alone, the decoder alone, both; retrieval against the window; all fetched."""
    backbone = setup.backbone(Flavor.wan_1_3b if setup.on_gpu else None)
    spec = backbone.spec
    length = 48 if setup.on_gpu else 30
    fetched = _few_on_device(setup, backbone)

    def period_s(
        strategy: MemoryStrategy, runtime: Runtime | None = None, decode: bool = False
    ) -> tuple[float, Made]:
        made = setup.roll_out(
            strategy,
            runtime,
            backbone=backbone,
            num_latents=length,
            decode=decode,
            keep_frames=False,
        )
        begins = [block.moments.whole[0] for block in made.blocks]
        periods = [later.seconds_since(begin) for begin, later in pairwise(begins)]
        return median_of(periods[len(periods) // 2 :]), made

    warm_up = ((window(), None), (retrieval(), None), (retrieval(), fetched))
    for strategy, runtime in warm_up if setup.on_gpu else ():
        period_s(strategy, runtime, decode=True)  # compiled, pinned and measured before
    num_rounds = 2 if setup.on_gpu else 1
    rounds = [(period_s(window())[0], period_s(retrieval())[0]) for _ in range(num_rounds)]
    alone, rag = (min(column) for column in zip(*rounds, strict=True))
    with fetches() as from_below:
        from_host, made = period_s(retrieval(), fetched)
    both, _ = period_s(window(), decode=True)
    decode = _decode_s(setup, backbone)
    stacked = _stacked_decode_s(setup, backbone)
    block_frames = spec.block_latents * spec.geometry.temporal_factor
    timings = [block.timings() for block in made.blocks[len(made.blocks) // 2 :]]
    fetch_s = sum(block.fetch_s for block in timings)
    waited_s = sum(block.wait_s for block in timings)
    seconds = {
        "rollout": alone,
        "decode": decode,
        "decode_stacked": stacked,
        "both": both,
        "retrieval": rag,
        "retrieval_fetched": from_host,
    }
    claims: list[Claim] = [
        true("all times are positive", all(0 < s < math.inf for s in seconds.values())),
        true("frames came back to the device", bool(from_below)),
    ]
    if setup.on_gpu:
        claims = [
            at_least("frames/s of the rollout alone", block_frames / alone, 0),
            at_least("frames/s with the decoder", block_frames / both, 0),
            at_most("retrieval to window", rag / alone, 1.03),
            at_most("fetched retrieval to window", from_host / alone, 1.05),
            at_least("share of fetch hidden", 1 - waited_s / max(fetch_s, 1e-9), 0.95),
            at_most("both to the sum of both", both / (alone + decode), 1),
            at_most("decoder to its form for CPUs", decode / stacked, 1),
            *claims,
        ]
    return Outcome.of(
        claims,
        block_s=seconds,
        frames_per_s={name: block_frames / s for name, s in seconds.items() if s > 0},
        kernels=made.rollout.describe_kernels(),
    )


def _few_on_device(setup: Setup, backbone: Backbone) -> Runtime:
    gib = (backbone.spec.budget_latents + 0.5) * backbone.spec.kv_bytes_per_latent / GIB
    return Runtime(kv=KVLimits(device_gib=gib) if setup.on_gpu else KVLimits(host_gib=gib))


@torch.inference_mode()
def _decode_s(setup: Setup, backbone: Backbone) -> float:
    """Return the seconds in which the decoder decodes a block, alone."""
    spec = backbone.spec
    shape = (spec.block_latents, *spec.geometry.latent_shape)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(8)).to(setup.device)
    decoder = backbone.start_decoder()
    times = []
    for _ in range(6):
        before = Moment(setup.device)
        decoder.decode(latents)
        times.append(Moment(setup.device).seconds_since(before))
    return median_of(times[2:])


def _stacked_decode_s(setup: Setup, backbone: Backbone) -> float:
    """Return the seconds of the decoder in the form that CPUs use, on this device."""
    decoder = backbone.start_decoder()
    assert isinstance(decoder, WanDecoder)
    try:
        decoder.vae.prepare(for_gpu=False)
        return _decode_s(setup, backbone)
    finally:
        decoder.vae.prepare()


def kernels_profile(setup: Setup) -> Outcome:
    """Two blocks under torch's profiler: the slowest kernels, and their shares by kind."""
    backbone = setup.backbone(Flavor.wan_1_3b if setup.on_gpu else None)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * setup.on_gpu
    profiler = profile(activities=activities)
    num_blocks = setup.num_latents // backbone.spec.block_latents

    def start(index: int) -> None:
        if index + 1 == num_blocks - _PROFILED_BLOCKS:
            profiler.start()

    setup.roll_out(retrieval(), backbone=backbone, on_block=start)
    profiler.stop()
    kind = DeviceType.CUDA if setup.on_gpu else DeviceType.CPU
    field = "self_device_time_total" if setup.on_gpu else "self_cpu_time_total"
    times = {
        event.key: getattr(event, field) / 1e3
        for event in profiler.key_averages()
        if event.device_type == kind
    }
    slowest = sorted(times, key=times.__getitem__, reverse=True)[:_TOP]
    whole = sum(times.values())
    shares = {
        name: sum(ms for key, ms in times.items() if kind_of(key) == name) / max(whole, 1e-9)
        for name in _KINDS
    }
    trace_mib = _write_trace(setup, profiler)
    return Outcome.of(
        [
            true("attention was seen", shares["attention"] > 0),
            true("products were seen", shares["products"] > 0),
            at_most("MiB of trace", trace_mib, _TRACE_MIB),
        ],
        shares=shares | {"other": 1 - sum(shares.values())},
        slowest_ms={key: times[key] for key in slowest},
    )


def kind_of(kernel: str) -> str | None:
    """Return which of `_KINDS` a kernel is; None if it is another.

    Triton's pointwise kernels are named after the operations around them as well.
    """
    if kernel.startswith("triton_"):
        return None
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(kernel)), None)


def _write_trace(setup: Setup, profiler: Any) -> float:
    """Write the packed trace; return its MiB."""
    plain = setup.folder / "trace.json"
    profiler.export_chrome_trace(str(plain))
    check_trace(plain)
    packed = setup.trace or setup.folder / "trace.json.gz"
    with plain.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    return packed.stat().st_size / 2**20


def video(setup: Setup) -> Outcome:
    """x264 on noise and on smooth frames: all frames arrive, and how fast."""
    if find_spec("av") is None:
        raise NotInstalled("av")
    import av

    from harness.run.video_writer import VideoWriter

    geometry = setup.backbone().spec.geometry
    shape = (_VIDEO_FRAMES, geometry.height, geometry.width, 3)
    ramp = np.linspace(0, 255, geometry.width, dtype=np.uint8)[None, None, :, None]
    contents = {
        "noise": np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8),
        "smooth": np.broadcast_to(ramp, shape),
    }
    claims, figures = [], {}
    for name, frames in contents.items():
        path = setup.folder / f"{name}.mp4"
        started = time.perf_counter()
        with VideoWriter(path, geometry.fps, geometry.width, geometry.height) as writer:
            writer.write(np.ascontiguousarray(frames))
        figures[name] = _VIDEO_FRAMES / (time.perf_counter() - started)
        with av.open(str(path)) as container:
            count = sum(1 for _ in container.decode(video=0))
        claims.append(true(f"all frames of {name} arrive", count == _VIDEO_FRAMES))
    return Outcome.of(claims, frames_per_s=figures)
