"""Checks of the machine: versions, compiler, copies between host and device."""

from __future__ import annotations

import importlib.util
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from backbones.engine import transfer
from backbones.engine.cudnn import LAST_FAULTY_CUDNN
from backbones.engine.kv.pinned import POOL
from backbones.engine.lanes import Lane, Moment
from backbones.wan.backbone import SelfForcing, WanWeights
from harness.core.compiler import compiler_problem, kernel_problem
from harness.core.devices import driver_version
from harness.core.environment import describe_machine
from harness.studies.gpu_selftest.claims import Claim, Outcome, at_least, at_most, true
from harness.studies.gpu_selftest.setup import Setup

if TYPE_CHECKING:
    from torch import Tensor

_SLEEP_CYCLES = 10**8  # about 50 ms
_SLABS = 4


def environment(setup: Setup) -> Outcome:
    """Versions, the C compiler, and on a GPU a kernel of ten lines in Triton."""
    problem = compiler_problem()
    claims = [true(f"compiler and Python.h{f': {problem}' if problem else ''}", problem is None)]
    machine = describe_machine(setup.device)
    packages = ("numpy", "triton", "safetensors")
    figures: dict[str, Any] = {
        "machine": vars(machine),
        "cuda_build": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": driver_version(),
        "packages": {name: _version(name) for name in packages},
    }
    if setup.on_gpu:
        properties = torch.cuda.get_device_properties(setup.device)
        figures["gpu"] = {
            "name": properties.name,
            "memory_gib": properties.total_memory / 2**30,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "free_gib": torch.cuda.mem_get_info(setup.device)[0] / 2**30,
        }
        claims.append(at_least("cuDNN", figures["cudnn"] or 0, LAST_FAULTY_CUDNN + 1))
        has_triton = importlib.util.find_spec("triton") is not None
        claims.append(true("Triton is installed", has_triton))
        if has_triton:
            problem = kernel_problem()
            reason = f": {problem}" if problem else ""
            claims.append(true(f"a Triton kernel adds{reason}", problem is None))
    return Outcome.of(claims, **figures)


def copies(setup: Setup) -> Outcome:
    """Pinning, and copies of one slab up and down while the device is busy."""
    # On a GPU of the full model, whose size the bound for pinning is about.
    spec = SelfForcing(weights=WanWeights.random).spec() if setup.on_gpu else setup.backbone().spec
    num_bytes = spec.kv_bytes_per_latent
    host = _noise(num_bytes)
    device_slab = transfer.upload(host, setup.device)
    back = transfer.Download(device_slab).wait()
    claims = [true("a slab comes back with its bytes", torch.equal(back, host))]
    figures: dict[str, Any] = {"slab_mib": num_bytes / 2**20}
    if setup.on_gpu:
        claims += _pinned_copies(setup.device, host, device_slab, figures)
    return Outcome.of(claims, **figures)


def _pinned_copies(
    device: torch.device, host: Tensor, device_slab: Tensor, figures: dict[str, Any]
) -> list[Claim]:
    num_bytes = host.numel()
    started = time.perf_counter()
    slabs = [POOL.take(num_bytes) for _ in range(_SLABS)]
    pin_ms = 1e3 * (time.perf_counter() - started) / _SLABS
    slabs[0].copy_(host)
    up, down = Lane(device, "up"), Lane(device, "down")
    other = torch.empty_like(device_slab)

    def timed(upwards: bool, downwards: bool) -> float:
        """Return the seconds of copies, on lanes that begin together."""
        torch.cuda.synchronize(device)
        before = Moment(device)
        with up.entered(after=before):
            if upwards:
                device_slab.copy_(slabs[0], non_blocking=True)
            up_ended = Moment(device)
        with down.entered(after=before):
            if downwards:
                slabs[1].copy_(other, non_blocking=True)
            down_ended = Moment(device)
        return max(m.seconds_since(before) for m in (up_ended, down_ended))

    timed(True, True)  # warm
    rates = {
        name: num_bytes / timed(*ways) / 1e9
        for name, ways in {
            "up": (True, False),
            "down": (False, True),
            "each_at_once": (True, True),
        }.items()
    }
    torch.cuda._sleep(_SLEEP_CYCLES)
    started = time.perf_counter()
    device_slab.copy_(slabs[0], non_blocking=True)
    slabs[1].copy_(device_slab, non_blocking=True)
    host_ms = 1e3 * (time.perf_counter() - started)
    torch.cuda.synchronize(device)
    arrived = torch.equal(device_slab.cpu(), host) and torch.equal(slabs[1], host)
    POOL.give_back(slabs)
    figures |= {"pin_ms_per_slab": pin_ms, "gb_per_s": rates, "host_ms": host_ms}
    return [
        true("a pinned slab arrives with its bytes", arrived),
        at_most("host waits ms", host_ms, 1),
        at_most("pinning ms a slab", pin_ms, 60),
        at_least("up GB/s", rates["up"], 45),
        at_least("down GB/s", rates["down"], 45),
        at_least(
            "share of it when both", rates["each_at_once"] / min(rates["up"], rates["down"]), 0.8
        ),
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _noise(num_bytes: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num_bytes,), dtype=torch.uint8, generator=generator)
