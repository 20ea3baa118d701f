"""Every check of the GPU self-test passes on the CPU, and fails for a planted fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import torch.nn.functional as F

from backbones.engine import attention, kernel_choice, rollout
from backbones.engine.kv.scratch import ScratchFile
from backbones.engine.kv.sizes import plan_tiers
from backbones.engine.kv.store import KVStore
from backbones.engine.lanes import Moment
from backbones.engine.runtime import KVLimits
from backbones.wan import transformer
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanDecoder
from harness.run.video_writer import VideoWriter
from harness.studies.gpu_selftest import failure_checks, machine_checks, rollout_checks
from harness.studies.gpu_selftest.checks import CHECKS, Check
from harness.studies.gpu_selftest.claims import CheckResult, Verdict
from harness.studies.gpu_selftest.setup import Setup
from harness.studies.gpu_selftest.speed_checks import kind_of
from harness.studies.gpu_selftest.worker import run_check
from methods.encoders.index import DescriptorIndex
from methods.encoders.training import Trainer
from methods.encoders.vit import VisionTransformer

pytestmark = [pytest.mark.usefixtures("shapes_unchecked")]

Fault = Callable[[], AbstractContextManager[Any]]


def replaced(place: Any, name: str, by: Any) -> Fault:
    """A fault: something else in the place of an attribute."""
    return lambda: mock.patch.object(place, name, by)


def wrapped(place: Any, name: str, around: Callable[..., Any]) -> Fault:
    """A fault: `around` is called with the original in front of its arguments."""
    original = getattr(place, name)
    return replaced(place, name, lambda *a, **k: around(original, *a, **k))


def drifting(place: Any, name: str) -> Fault:
    """A fault: each call returns a little more than the one before, as with a race."""

    def plant() -> AbstractContextManager[Any]:
        calls = iter(range(10**6))
        return wrapped(place, name, lambda f, *a, **k: f(*a, **k) + 1e-3 * next(calls))()

    return plant


class Passes:
    """In place of captured passes: the passes themselves."""

    error = 0.0

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model

    def __call__(self, *arguments: Any) -> torch.Tensor:
        return self._model(*arguments) + self.error


class WrongPasses(Passes):
    error = 1e-2


def scaled_compile(function: Any, **_: Any) -> Any:
    """In place of `torch.compile`: code whose results are two percent too large."""

    def run(*arguments: Any) -> Any:
        result = function(*arguments)
        return 1.02 * result

    return run


def zero_from_file(original: Any, file: ScratchFile, number: int, slab: torch.Tensor) -> None:
    original(file, number, slab)
    slab.zero_()


def reading_add(original: Any, index: DescriptorIndex, descriptors: torch.Tensor) -> None:
    original(index, descriptors)
    assert bool(index._all_unit)


def chunky(original: Any, decoder: WanDecoder, latents: torch.Tensor) -> torch.Tensor:
    return original(decoder, latents) ^ (1 if len(latents) > 1 else 0)


def without_limits(spec: Any, kept: int, limits: KVLimits, *more: Any) -> Any:
    return plan_tiers(spec, kept, KVLimits(), *more)


def newest_first(original: Any, index: DescriptorIndex, *arguments: Any) -> Any:
    hits = original(index, *arguments)
    return type(hits)(hits.frames[::-1], hits.cosines[::-1])


def forgetful(original: Any, trainer: Trainer, path: Path) -> None:
    original(trainer, path)
    with torch.no_grad():
        next(iter(trainer.model.parameters())).zero_()


def changed_factors() -> AbstractContextManager[Any]:
    """A fault: the third rollout gives compiled code another number format."""
    stores = iter(range(10**6))

    def change(original: Any, store: KVStore, *arguments: Any) -> None:
        original(store, *arguments)
        if next(stores) == 2:
            store._factors = store._factors.double()

    return wrapped(KVStore, "__init__", change)()


FLOW = drifting(CausalWanTransformer, "forward")
FAULTS: dict[str, Fault] = {
    "environment": lambda: mock.patch.dict(os.environ, CC="/bin/false"),
    "copies": wrapped(machine_checks.transfer, "upload", lambda f, *a: f(*a) + 1),
    "attention": wrapped(F, "scaled_dot_product_attention", lambda f, *a, **k: 1.01 * f(*a, **k)),
    "choice": replaced(kernel_choice, "write_json", lambda *_: None),
    "halves": replaced(torch, "compile", scaled_compile),
    "fp8": wrapped(torch, "_scaled_mm", lambda f, *a, **k: 1.01 * f(*a, **k)),
    "graphs": changed_factors,
    "parity": FLOW,
    "tiers": wrapped(ScratchFile, "read", zero_from_file),
    "order": FLOW,
    "prefix": FLOW,
    "resume": FLOW,
    "repeat": FLOW,
    "cuda-graphs": replaced(rollout, "GraphedPasses", WrongPasses),
    "batch": wrapped(transformer, "attend_together", lambda f, *a: f(*a)[::-1]),
    "waiting": wrapped(DescriptorIndex, "add", reading_add),
    "decoder": wrapped(WanDecoder, "decode", chunky),
    "speed": replaced(Moment, "seconds_since", lambda *_: float("nan")),
    "memory": replaced(rollout, "plan_tiers", without_limits),
    "out-of-memory": replaced(failure_checks, "memory_hint", lambda _: ""),
    "lost-device": replaced(
        failure_checks,
        "_LOSES_THE_DEVICE",
        failure_checks._LOSES_THE_DEVICE.replace(
            "from harness.core.devices import device_lost", "device_lost = lambda error: False"
        ),
    ),
    "encoder": wrapped(DescriptorIndex, "search", newest_first),
    "encoder-training": wrapped(Trainer, "restore", forgetful),
    "judges": drifting(VisionTransformer, "forward"),
    "profile": replaced(attention, "attend_by_head", lambda q, k, v: q),
    "video": wrapped(VideoWriter, "write", lambda f, writer, frames: f(writer, frames[1:])),
}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(torch.device("cpu"), tmp_path_factory.mktemp("selftest"))


@pytest.fixture(autouse=True)
def graphs_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU, passes that run stand for captured ones."""
    monkeypatch.setattr(rollout_checks, "graphs_here", lambda _: True)
    monkeypatch.setattr(rollout, "GraphedPasses", Passes)


def result_of(check: Check, setup: Setup) -> CheckResult:
    result, goes_on = run_check(check, setup)
    assert result.details == "", "it should end by a claim"
    assert goes_on
    return result


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_passes_here(check: Check, setup: Setup) -> None:
    result = result_of(check, setup)
    assert result.verdict is Verdict.passed, result.figure


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_fails_for_a_planted_fault(check: Check, setup: Setup) -> None:
    with FAULTS[check.name]():
        result = result_of(check, setup)
    assert result.verdict is Verdict.failed, result.figure


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits>", "attention"),
        ("cudnn_generated_fort_native_sdpa_sm90_knob_7_64x128x128", "attention"),
        ("nvjet_tst_256x128_64x4_1x2_h_bz_coopA_bias_TNT", "products"),
        ("triton_red_fused__scaled_dot_product_flash_attention_add_native_layer_norm_3", None),
        ("Memcpy HtoD (Pinned -> Device)", None),
    ],
)
def test_the_profile_tells_kinds_of_kernels(kernel: str, kind: str | None) -> None:
    assert kind_of(kernel) == kind


def test_the_environment_names_what_decides_over_kernels(setup: Setup) -> None:
    figures = machine_checks.environment(setup).figures
    assert {"machine", "cuda_build", "cudnn", "driver", "packages"} <= figures.keys()
    assert figures["packages"]["numpy"] and "triton" in figures["packages"]


def test_every_check_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) == 26
    assert all(check.about.endswith(".") for check in CHECKS)
    assert 0 < sum(check.quick for check in CHECKS) < len(CHECKS)
