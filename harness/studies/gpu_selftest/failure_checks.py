"""Checks of failures: too little memory before and during a rollout, a lost device."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from backbones.engine.runtime import KVLimits, Runtime
from harness.core.devices import free_device_bytes, memory_hint
from harness.core.errors import LongtakeError
from harness.studies.gpu_selftest.claims import Outcome, at_most, exactly, true
from harness.studies.gpu_selftest.setup import Setup, retrieval

_FAILING_BLOCK = 3
_KEPT_FREE_BYTES = 8 * 2**20
_RETURNED_MIB = 100
# Runs in a process of its own, because a lost device stays lost for the rest of it.
_LOSES_THE_DEVICE = """
import sys, torch
from harness.core.devices import device_lost
on_gpu = sys.argv[1] != "cpu"
try:
    if on_gpu:
        index = torch.tensor([10**6], device=sys.argv[1])
        torch.zeros(4, device=sys.argv[1])[index]
        torch.cuda.synchronize()
    else:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")
except RuntimeError as error:
    print("recognised" if device_lost(error) else f"not recognised: {type(error).__name__}")
    sys.exit(0)
print("nothing was lost")
"""
_COMPUTES = """
import sys, torch
assert torch.equal(torch.ones(4, device=sys.argv[1]).cpu(), torch.ones(4))
"""
_LIMIT_S = 60


def memory_limits(setup: Setup) -> Outcome:
    """A limit that cannot be kept is refused before the first block; else none is exceeded."""
    too_much = KVLimits(device_gib=1000) if setup.on_gpu else KVLimits(host_gib=0)
    refused = False
    try:
        setup.roll_out(retrieval(), Runtime(kv=too_much))
    except LongtakeError:
        refused = True
    claims = [true("a limit that does not fit is refused", refused)]
    spec = setup.backbone().spec
    figures: dict[str, float] = {}
    if setup.on_gpu:
        torch.cuda.reset_peak_memory_stats(setup.device)
        models_mib = torch.cuda.memory_allocated(setup.device) / 2**20
    made = setup.roll_out(retrieval(), decode=True)
    most_mib = (setup.num_latents + spec.budget_latents) * spec.kv_bytes_per_latent / 2**20
    kept_mib = sum(made.rollout.store.allocated_mib().values())
    claims.append(at_most("MiB of keys and values", kept_mib, most_mib))
    if setup.on_gpu:
        stats = torch.cuda.memory_stats(setup.device)
        claims.append(exactly("allocations tried again", stats["num_alloc_retries"], 0))
        peak_mib = torch.cuda.max_memory_allocated(setup.device) / 2**20
        planned_mib = kept_mib + (spec.context_bytes + spec.scratch_bytes) / 2**20
        claims.append(at_most("MiB beside the models", peak_mib - models_mib, planned_mib))
        figures |= {"peak_mib": peak_mib, "models_mib": models_mib}
    return Outcome.of(claims, **figures)


def out_of_memory(setup: Setup) -> Outcome:
    """Memory runs out in mid-rollout: that video fails with advice, the next one is made."""
    expected = setup.roll_out(retrieval())
    before = free_device_bytes(setup.device)
    ballast: list[Tensor] = []
    message = ""
    with mock.patch.object(torch.nn.Module, "__call__", _failing_call(setup, ballast)):
        try:
            setup.roll_out(retrieval(), on_block=_take_all(setup, ballast))
        except torch.OutOfMemoryError as error:
            message = memory_hint(error)
    ballast.clear()
    lost_mib = (before - free_device_bytes(setup.device)) / 2**20
    again = setup.roll_out(retrieval())
    claims = [
        true("the video fails with advice", bool(message)),
        true("the next one is the same as before", again.same_as(expected)),
    ]
    if setup.on_gpu:
        claims.append(at_most("MiB not given back", lost_mib, _RETURNED_MIB))
    return Outcome.of(claims, advice=message)


def _take_all(setup: Setup, ballast: list[Tensor]) -> Callable[[int], None]:
    """Return what takes all memory of the device after a few blocks.

    On the CPU it only leaves a mark, by which `_failing_call` fails.
    """

    def take(index: int) -> None:
        if index + 1 != _FAILING_BLOCK:
            return
        if not setup.on_gpu:
            ballast.append(torch.empty(0))
            return
        free = free_device_bytes(setup.device)
        while free > _KEPT_FREE_BYTES:
            try:
                ballast.append(torch.empty(free // 2, dtype=torch.uint8, device=setup.device))
            except torch.OutOfMemoryError:
                return
            free = torch.cuda.mem_get_info(setup.device)[0]

    return take


def _failing_call(setup: Setup, ballast: list[Tensor]) -> Callable[..., object]:
    """Return `Module.__call__`, which without a GPU fails once there is ballast."""
    call = torch.nn.Module.__call__

    def fail(module: torch.nn.Module, *arguments: object, **named: object) -> object:
        if ballast and not setup.on_gpu:
            raise torch.OutOfMemoryError("out of memory, as on a GPU")
        return call(module, *arguments, **named)

    return fail


def lost_device(setup: Setup) -> Outcome:
    """A failed assertion on the device is recognised, and the next process works."""
    command = [sys.executable, "-c", _LOSES_THE_DEVICE, str(setup.device)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    said = run.stdout.strip()
    command = [sys.executable, "-c", _COMPUTES, str(setup.device)]
    works = subprocess.run(command, capture_output=True, timeout=_LIMIT_S, check=False)
    return Outcome.of(
        [
            true(
                f"a lost device is recognised ({said or run.stderr[-200:]})", said == "recognised"
            ),
            true("the next process works", works.returncode == 0),
        ]
    )
