"""Lines of the self-test that only a GPU reaches, on a CPU that plays one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backbones.engine import rollout
from backbones.engine.kv.sizes import plan_tiers
from backbones.engine.spec import Precision
from backbones.wan.backbone import Flavor
from harness.core.machine import GIB
from harness.studies.gpu_selftest.checks import CHECKS
from harness.studies.gpu_selftest.claims import Verdict
from harness.studies.gpu_selftest.setup import Setup
from harness.studies.gpu_selftest.worker import run_check

pytestmark = [pytest.mark.usefixtures("shapes_unchecked")]

# Those whose claims on a GPU are neither of speed nor of what only CUDA does.
PLAYED = ("tiers", "batch", "waiting", "memory")
_FREE_BYTES = 75 * GIB


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """A setup that says it is on a GPU: layers compiled, tiers planned as on one, models small."""

    def planned(spec, kept, limits, device, free_bytes, *more):  # type: ignore[no-untyped-def]
        return plan_tiers(spec, kept, limits, torch.device("cuda"), _FREE_BYTES, *more)

    for name, value in {
        "on_gpu": True,
        "flavor": Flavor.debug,
        "precision": Precision.float32,
        "backend": "eager",
    }.items():
        monkeypatch.setattr(Setup, name, value)
    monkeypatch.setattr(
        rollout, "compiles", lambda runtime, _: runtime.kernels.compile is not False
    )
    monkeypatch.setattr(rollout, "plan_tiers", planned)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    cuda = SimpleNamespace(
        mem_get_info=lambda _: (_FREE_BYTES, 80 * GIB),
        memory_stats=lambda _: {"num_alloc_retries": 0},
        memory_allocated=lambda _: 0,
        max_memory_allocated=lambda _: 0,
        reset_peak_memory_stats=lambda _: None,
        set_sync_debug_mode=lambda _: None,
    )
    for name, stand_in in vars(cuda).items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return Setup(torch.device("cpu"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYED)
def test_a_check_passes_as_on_a_gpu(name: str, played: Setup) -> None:
    (check,) = (check for check in CHECKS if check.name == name)
    result, _ = run_check(check, played)
    assert result.verdict is Verdict.passed, result.details or result.figure
