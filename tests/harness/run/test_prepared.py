from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backbones.engine.kv import sizes
from backbones.engine.runtime import KVLimits
from backbones.engine.spec import Precision, network_bytes
from backbones.wan.text import UMT5_XXL
from backbones.wan.text.encoder import WanTextEncoder
from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.core.machine import GIB
from harness.run import prepared
from harness.run.prepared import PreparedUnit
from harness.store.units import Unit, plan_units
from tests.harness.support import records, sweep

GPU = torch.device("cuda")
# The full size, which is planned, never loaded here.
FULL_SIZE = ("backbone=self_forcing", "backbone.weights=random", "prompts=scenes", "prompts.num=1")


def one_unit(*arguments: str) -> Unit:
    (unit,) = plan_units(load_sweep([*FULL_SIZE, "device=cpu", *arguments]))
    return unit


def check(unit: Unit, free_gib: float, limits: KVLimits | None = None) -> None:
    limits = limits or KVLimits(host_gib=2.0)
    PreparedUnit.of(unit).check_memory(limits, GPU, round(free_gib * GIB))


def test_a_model_that_does_not_fit_is_refused_with_the_needed_memory() -> None:
    message = (
        r"self_forcing needs 13\.6 GiB on cuda: 2\.9 of weights, 4\.0 for a context of 12 latent "
        r"frames and 6\.7 to compute and decode; 12\.0 GiB are free"
    )
    with pytest.raises(LongtakeError, match=message):
        check(one_unit("method=sliding_window", "duration=30"), free_gib=12.0)


def test_units_in_step_need_their_memory_each() -> None:
    unit = PreparedUnit.of(one_unit("method=sliding_window", "duration=30"))
    limits = KVLimits(host_gib=4.0)
    unit.check_memory(limits, GPU, round(40 * GIB), number=2)
    message = r"needs 24\.2 GiB .* decode, for each of 2 videos; 20\.0 GiB .* A batch below 2 helps"
    with pytest.raises(LongtakeError, match=message):
        unit.check_memory(limits, GPU, round(20 * GIB), number=2)
    unit.check_memory(limits, GPU, round(20 * GIB))
    with pytest.raises(LongtakeError, match=r"kv\.device_gib leaves"):
        unit.check_memory(limits, GPU, round(27 * GIB), number=2)


def test_what_a_rollout_needs_covers_the_text_encoder_before_it() -> None:
    """It is freed before the other models are loaded, and so needs no budget of its own."""
    spec = PreparedUnit.of(one_unit("method=sliding_window", "duration=30")).spec
    needed = spec.weights_bytes + spec.context_bytes + spec.scratch_bytes
    assert needed > network_bytes(WanTextEncoder, Precision.bfloat16, UMT5_XXL)


def test_a_sliding_window_fits_where_it_can_hold_its_window() -> None:
    for duration in (30, 120):
        check(one_unit("method=sliding_window", f"duration={duration}"), free_gib=20.0)
    with pytest.raises(LongtakeError, match=r"kv\.device_gib leaves .* Raise it"):
        check(one_unit("method=sliding_window", "duration=30"), free_gib=15.0)


def test_120_s_of_retrieval_fit_beside_a_card_of_24_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "available_host_bytes", lambda: 200 * GIB)
    for duration in (30, 60, 120):
        unit = one_unit("method=rag", f"duration={duration}")
        check(unit, free_gib=23.0, limits=KVLimits(host_gib=160.0))


def test_a_unit_that_does_not_fit_fails_before_anything_is_loaded(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "free_device_bytes", lambda _: 10 * 2**20)
    result = cli(*sweep("method=sliding_window,rag", "backbone=street"))
    assert result.code == 1
    assert not records(Path("runs/main"))
    failures = list(Path("runs/main").glob("units/*/failure.json"))
    assert len(failures) == 2
    for failure in failures:
        assert "GiB are free" in json.loads(failure.read_text())["error"]


@pytest.mark.slow
def test_one_unit_that_does_not_fit_leaves_the_others(cli) -> None:
    """A slab of the street is 0.14 MiB: room for a window, no folder for the rest."""
    limits = ("kv.host_gib=0.003", "kv.spill_dir=nowhere")
    result = cli(*sweep("backbone=street", "method=sliding_window,rag", "duration=9", *limits))
    assert result.code == 1
    assert "kv.spill_dir='nowhere' is not a folder" in result.out
    assert len(records(Path("runs/main"))) == 1
