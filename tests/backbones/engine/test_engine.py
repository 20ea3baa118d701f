"""Settings of the computation may change speed and memory, never the video."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backbones.engine.backbone import Backbone
from backbones.engine.graphs import GraphedPasses
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import AttentionKernel, Kernels, KVLimits, Runtime
from backbones.wan import transformer
from harness.core.errors import LongtakeError
from methods.base import MemoryStrategy
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.small import small_backbone

pytestmark = pytest.mark.slow

PROMPT = "dusk grassy four walking"
NUM_LATENTS = 36


def roll_out(
    backbone: Backbone, runtime: Runtime | None = None, strategy: MemoryStrategy | None = None
) -> Rollout:
    noise = SeededNoise(0, PROMPT)
    return Rollout(backbone, strategy or Rag(), PROMPT, noise, NUM_LATENTS, 0, runtime)


def latents_of(rollout: Rollout) -> torch.Tensor:
    return torch.cat([block.latents for block in rollout.blocks()])


def test_the_place_of_keys_and_values_does_not_change_the_video(small: Backbone) -> None:
    slab_gib = small.spec.shape.kv_bytes(1, torch.float32) / 2**30
    tight = roll_out(small, Runtime(kv=KVLimits(host_gib=14 * slab_gib)))
    ample = roll_out(small)
    assert torch.equal(latents_of(tight), latents_of(ample))
    assert tight.store.allocated_mib()["spilled"] > 0
    assert ample.store.allocated_mib()["spilled"] == 0


def test_a_sliding_window_keeps_only_its_window(small: Backbone) -> None:
    window, rag = roll_out(small, strategy=SlidingWindow()), roll_out(small)
    latents_of(window)
    latents_of(rag)
    slab_mib = small.spec.shape.kv_bytes(1, torch.float32) / 2**20
    assert window.store.allocated_mib()["device"] == 12 * slab_mib  # those of the block included
    assert rag.store.allocated_mib()["device"] == NUM_LATENTS * slab_mib


@pytest.mark.parametrize("budget", [4, 5, 6])
def test_a_small_budget_is_kept_until_the_last_block(budget: int) -> None:
    backbone = small_backbone(1000, budget_latents=budget)
    made = latents_of(roll_out(backbone, strategy=SlidingWindow()))
    assert len(made) == NUM_LATENTS


@pytest.mark.usefixtures("shapes_unchecked")
def test_one_compiled_code_serves_all_layers_and_blocks(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two halves, the first with and without keys kept, and the rotation: four graphs in all."""
    torch._dynamo.reset()
    graphs = []

    def count(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compile_here = functools.partial(torch.compile, backend=count)
    monkeypatch.setattr(torch, "compile", compile_here)
    transformer._compiled.cache_clear()
    compiled = roll_out(small, Runtime(Kernels(compile=True)))
    made = latents_of(compiled)
    transformer._compiled.cache_clear()
    assert len(graphs) == 4
    assert compiled.describe_kernels()["compiled"]
    expected = latents_of(roll_out(small))
    assert (made - expected).norm() / expected.norm() < 1e-4


WAITING = ("item", "_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select")


class HostReads(TorchDispatchMode):
    """Records every operation that would make the host wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WAITING:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_the_host_reads_nothing_of_a_block_but_the_plan(small: Backbone) -> None:
    reads = HostReads()
    rollout = roll_out(small, strategy=SlidingWindow())
    with reads:
        latents_of(rollout)
    assert reads.found == []
    rollout = roll_out(small)
    with reads:
        blocks = list(rollout.blocks())
    # Once a block: are all descriptors finite, and which frames are the most similar?
    num_retrieving = sum(bool(block.plan.memory_frames()) for block in blocks)
    assert reads.found == ["is_nonzero", "nonzero"] * num_retrieving


def test_kernels_of_other_devices_are_refused(small: Backbone) -> None:
    with pytest.raises(LongtakeError, match=r"kernels\.attention=cudnn doesn't run on cpu"):
        roll_out(small, Runtime(Kernels(attention=AttentionKernel.cudnn)))
    with pytest.raises(LongtakeError, match="needs a CUDA device"):
        roll_out(small, Runtime(Kernels(cuda_graphs=True)))


def test_the_math_kernel_agrees_with_the_fused_one(small: Backbone) -> None:
    plain = latents_of(roll_out(small, Runtime(Kernels(attention=AttentionKernel.math))))
    fused = latents_of(roll_out(small))
    assert (plain - fused).norm() / fused.norm() < 1e-3


def test_parts_of_a_block_add_up_to_it(small: Backbone) -> None:
    for block in roll_out(small).blocks():
        timings = block.timings()
        parts = [value for name, value in vars(timings).items() if name != "whole_s"]
        assert all(part >= 0 for part in parts)
        assert sum(parts) <= timings.whole_s * 1.05 + timings.fetch_s


def test_a_pass_is_captured_the_second_time_and_then_replayed(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU, a pass into the same tensor stands for replaying a captured graph."""
    runs: list[str] = []
    graphs: list[Any] = []

    class Replaying:
        def __enter__(self) -> None:
            runs.append("capture")

        def __exit__(self, *_: object) -> None: ...

    class Graph:
        def __init__(self) -> None:
            graphs.append(self)

        def replay(self) -> None:
            runs.append("replay")
            self.again()

    passes = GraphedPasses.__new__(GraphedPasses)
    passes._transformer, passes._seen, passes._captured = small.transformer, set(), {}

    def captured(latents, time, context, text, new_kv=None):
        runs.append("pass")
        flow = small.transformer(latents, time, context, text, new_kv)

        def again() -> None:
            flow.copy_(small.transformer(latents, time, context, text, new_kv))

        if graphs:
            graphs[-1].again = again
        return flow

    passes._transformer = captured
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    passes._pool = None
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: Replaying())
    rollout = roll_out(small, strategy=SlidingWindow())
    expected = latents_of(roll_out(small, strategy=SlidingWindow()))
    monkeypatch.setattr(rollout, "_pass", passes)
    assert torch.equal(latents_of(rollout), expected)
    num_passes = 5 * NUM_LATENTS // 3
    # Contexts of 0, 3 and 6 frames occur once; that of 9 from the fourth block on.
    assert runs.count("replay") == num_passes - 4 * 5
    assert runs.count("capture") == 5
