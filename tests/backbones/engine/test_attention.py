from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.library import Library
from torch.nn.attention import current_flash_attention_impl, register_flash_attention_impl

from backbones.engine import kernel_choice
from backbones.engine.attention import attend, attend_by_head, in_token_order, using
from backbones.engine.kernel_choice import (
    AttentionShape,
    Trial,
    fastest,
    pick_kernel,
    try_kernel,
)
from backbones.engine.lanes import Moment
from backbones.engine.runtime import AttentionKernel
from harness.core.errors import ConfigError

CPU = torch.device("cpu")
SHAPE = AttentionShape(heads=2, queries=8, keys=16, head_dim=16, dtype=torch.float32)
KERNELS = (AttentionKernel.cudnn, AttentionKernel.flash, AttentionKernel.efficient)
TRIALS = {
    AttentionKernel.cudnn: Trial(float("inf"), None),
    AttentionKernel.flash: Trial(2.0, 0.0),
    AttentionKernel.efficient: Trial(1.0, 0.0),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel_choice, "_UNSURE", {})
    monkeypatch.setattr(kernel_choice, "_CHECKED", set())
    return tmp_path / "attention.json"


def test_the_fastest_kernel_is_measured_once_and_stored(cache: Path) -> None:
    assert fastest("a card", KERNELS, TRIALS.__getitem__) is AttentionKernel.efficient
    slower_today = {kernel: Trial(-trial.seconds, 0.0) for kernel, trial in TRIALS.items()}
    assert fastest("a card", KERNELS, slower_today.__getitem__) is AttentionKernel.efficient
    assert fastest("another", KERNELS, slower_today.__getitem__) is AttentionKernel.cudnn
    assert set(json.loads(cache.read_text())) == {"a card", "another"}


def test_an_unsure_choice_on_a_busy_device_holds_for_this_process_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = {kernel: replace(trial, spread=0.3) for kernel, trial in TRIALS.items()}
    assert fastest("a card", KERNELS, busy.__getitem__) is AttentionKernel.efficient
    faster_now = TRIALS | {AttentionKernel.flash: Trial(0.5, 0.0)}
    assert fastest("a card", KERNELS, faster_now.__getitem__) is AttentionKernel.efficient
    assert not cache.exists()
    monkeypatch.setattr(kernel_choice, "_UNSURE", {})  # as in the next process
    assert fastest("a card", KERNELS, faster_now.__getitem__) is AttentionKernel.flash
    assert cache.exists()


def test_a_kernel_far_ahead_is_remembered_though_a_slow_one_is_unsteady(cache: Path) -> None:
    slow = TRIALS | {AttentionKernel.flash: replace(TRIALS[AttentionKernel.flash], spread=0.4)}
    assert fastest("a card", KERNELS, slow.__getitem__) is AttentionKernel.efficient
    assert cache.exists()


@pytest.mark.parametrize(
    ("slow_calls", "rounds", "steady"), [((), 1, True), (range(5), 2, True), (range(99), 3, False)]
)
def test_times_that_spread_are_measured_again(
    monkeypatch: pytest.MonkeyPatch, slow_calls: Collection[int], rounds: int, steady: bool
) -> None:
    """The clock of a GPU is played: every other one of the slow calls takes twice as long."""
    calls = iter(range(10**6))
    numbers: list[int] = []

    def seconds_since(*_: object) -> float:
        numbers.append(next(calls))
        return 2.0 if numbers[-1] in slow_calls and numbers[-1] % 2 == 0 else 1.0

    monkeypatch.setattr(Moment, "seconds_since", seconds_since)
    monkeypatch.setattr(kernel_choice, "_rounds_and_trials", lambda _: (3, 20))
    trial = try_kernel(AttentionKernel.flash, SHAPE, CPU)
    assert len(numbers) == 20 * rounds and trial.is_steady is steady
    assert trial.seconds in (1.0, 2.0) and trial.problem is None


def test_without_a_working_kernel_nothing_is_stored(cache: Path) -> None:
    assert fastest("a card", KERNELS, lambda _: Trial(float("inf"), None)) is AttentionKernel.math
    assert not cache.exists()


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a card": 1}', '{"a card": "none"}', "[]"])
def test_a_damaged_note_is_measured_again(cache: Path, text: str) -> None:
    cache.write_text(text)
    assert fastest("a card", KERNELS, TRIALS.__getitem__) is AttentionKernel.efficient


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cpu_takes_its_fused_kernel_without_measuring(cache: Path, dtype: torch.dtype) -> None:
    kernel = pick_kernel(AttentionKernel.auto, SHAPE, torch.device("cpu"))
    assert kernel is AttentionKernel.flash
    assert not cache.exists()
    assert pick_kernel(AttentionKernel.math, SHAPE, torch.device("cpu")) is AttentionKernel.math


def test_a_kernel_that_is_named_is_checked_once_per_shape_and_never_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    attention = F.scaled_dot_product_attention

    def counting(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        calls.append(k.shape[2])
        return attention(q, k, v)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counting)
    monkeypatch.setattr(kernel_choice, "_rounds_and_trials", lambda _: (3, 20))
    longer = replace(SHAPE, keys=24)
    for shape in (SHAPE, SHAPE, longer, SHAPE, longer):  # as for every video
        assert pick_kernel(AttentionKernel.math, shape, CPU) is AttentionKernel.math
    assert calls == [16, 16, 24, 24]  # once to warm up, once to check


def test_a_faulty_cudnn_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    shape = AttentionShape(heads=1, queries=8, keys=8, head_dim=8, dtype=torch.float32)
    with pytest.raises(ConfigError, match=r"attention=cudnn doesn't run on cuda.*91002 is faulty"):
        pick_kernel(AttentionKernel.cudnn, shape, torch.device("cuda"))


def leave_out_the_last(exact: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda q, k, v: exact(q, k[:, :, :-1], v[:, :, :-1])


def read_beyond_the_end(exact: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        past_the_end = torch.full_like(v[:, :, :1], float("nan"))
        return exact(q, torch.cat([k, k[:, :, :1]], 2), torch.cat([v, past_the_end], 2))

    return attention


@pytest.mark.parametrize("fault", [leave_out_the_last, read_beyond_the_end])
def test_a_kernel_that_computes_wrong_is_never_picked(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Callable[..., torch.Tensor]]
) -> None:
    assert try_kernel(AttentionKernel.flash, SHAPE, CPU).error < 1e-6
    wrong = fault(F.scaled_dot_product_attention)
    monkeypatch.setattr(F, "scaled_dot_product_attention", wrong)
    trial = try_kernel(AttentionKernel.flash, SHAPE, CPU)
    assert trial.seconds == float("inf")
    assert "off by" in str(trial.problem)
    with pytest.raises(ConfigError, match=r"attention=flash doesn't run on cpu: its result is off"):
        pick_kernel(AttentionKernel.flash, SHAPE, CPU)


@pytest.mark.parametrize("kernel", [AttentionKernel.fa3, AttentionKernel.fa4])
def test_a_flash_package_that_is_missing_is_refused(kernel: AttentionKernel) -> None:
    with pytest.raises(ConfigError, match=rf"attention={kernel} doesn't run.*flash_attn"):
        pick_kernel(kernel, SHAPE, CPU)
    assert current_flash_attention_impl() is None


@pytest.mark.filterwarnings("ignore:.*other operators may also be overridden")
def test_flash_attention_of_a_package_is_used_inside_and_given_up_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A package that takes the place of the CPU's kernel stands for one on a GPU."""

    class Handle:
        def __init__(self) -> None:
            self._library: Library | None = Library("aten", "IMPL", "CPU")
            name = "_scaled_dot_product_flash_attention_for_cpu"
            self._library.impl(name, seven, "CPU", allow_override=True)

        def remove(self) -> None:
            self._library = None

    def seven(q: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full_like(q, 7), torch.zeros(q.shape[:-1])

    monkeypatch.setattr("torch.nn.attention._registry._FLASH_ATTENTION_IMPLS", {})
    register_flash_attention_impl("FA3", register_fn=Handle)
    x = torch.randn(1, 8, 16)
    plain = attend(x, x, x)
    with using(AttentionKernel.fa3):
        assert bool((attend(x, x, x) == 7).all())
        with using(AttentionKernel.flash):
            assert torch.equal(attend(x, x, x), plain)
        assert bool((attend(x, x, x) == 7).all())
    assert torch.equal(attend(x, x, x), plain)


def test_queries_in_token_order_spare_a_copy() -> None:
    q = in_token_order(torch.randn(2, 8, 16))
    k = torch.randn(2, 24, 16)
    assert q.stride() == (16, 32, 1)
    by_head = attend_by_head(q, k, k)
    assert by_head.transpose(0, 1).flatten(1).data_ptr() == by_head.data_ptr()
