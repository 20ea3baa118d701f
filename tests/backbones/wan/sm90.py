"""Code that Inductor writes for an H100, on a machine without a GPU: kernels and temporaries.

`python -m tests.backbones.wan.sm90 [FOLDER]` needs triton beside torch (`pip install triton`), and
takes a minute. The halves of a layer of the released size and a block of the VAE are traced on the
CPU, their graphs are relabelled as those of a GPU, and the code for it is written, not
compiled. It prints what each part launches and the temporaries in float32, writes the code into
FOLDER, if given, and fails if a part launches or stores more than it should.

It leans on private parts of torch 2.13 and triton 3.7, so it is no test.
"""

from __future__ import annotations

import copy
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch._inductor.config
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.debug import DebugContext
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.fx_passes.post_grad import post_grad_passes
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime.hints import DeviceProperties
from torch._inductor.virtualized import V
from torch._subclasses import FakeTensor
from torch.utils._pytree import tree_map

from backbones.engine.runtime import AttentionKernel
from backbones.wan.catalogue import WAN_1_3B
from backbones.wan.transformer import TransformerBlock
from backbones.wan.vae.causal import CausalConv3d, CausalMemory, number_convolutions
from backbones.wan.vae.layers import ResidualBlock

_GPU = torch.device("cuda", 0)
_H100 = {
    "major": 9,
    "multi_processor_count": 132,
    "regs_per_multiprocessor": 65536,
    "max_threads_per_multi_processor": 2048,
    "max_threads_per_block": 1024,
    "warp_size": 32,
}
_BLOCK_LATENTS, _CONTEXT_LATENTS, _TOKENS_PER_LATENT = 3, 12, 1560
_FLOAT32_LIMIT_BYTES = 2**20


@dataclass(frozen=True)
class Case:
    """A part of a model, and how many kernels it may launch."""

    name: str
    part: Callable[..., torch.Tensor]
    arguments: tuple[Any, ...]
    most_launches: int


@dataclass(frozen=True)
class Written:
    """Kernels written for a part, calls of libraries, and bytes of float32 temporaries."""

    kernels: tuple[str, ...]
    calls: tuple[str, ...]
    float32_bytes: int

    @classmethod
    def of(cls, code: str) -> Written:
        """Read the code of a graph."""
        body = code[code.index("def call(") :].split("benchmark_compiled_module")[0]
        calls = r"(?:extern_kernels\.|= torch\.ops\.aten\.)(\w+)[.(]"
        sizes = re.findall(r"empty_strided_cuda\(\((.*?)\), \(.*?\), torch\.float32\)", body)
        numbers = (math.prod(int(n) for n in size.split(",") if n.strip()) for size in sizes)
        return cls(
            tuple(re.findall(r"\b(triton_\w+)\.run\(", body)),
            tuple(re.findall(calls, body)),
            4 * sum(numbers),
        )


def main() -> int:
    """Print what is written for all parts; return 1 if a bound is broken."""
    broken = False
    for case in _cases():
        code = _code_of(case)
        if len(sys.argv) > 1:
            Path(sys.argv[1], f"{case.name.replace(' ', '_')}.py").write_text(code)
        written = Written.of(code)
        launches = len(written.kernels) + len(written.calls)
        holds = launches <= case.most_launches and written.float32_bytes <= _FLOAT32_LIMIT_BYTES
        broken |= not holds
        print(
            f"{case.name}: {launches} launches (<= {case.most_launches}), "
            f"{len(written.kernels)} of them written; libraries: {' '.join(written.calls)}; "
            f"{written.float32_bytes / 2**20:.2f} MiB of float32: {'ok' if holds else 'TOO MUCH'}"
        )
    return int(broken)


def _cases() -> list[Case]:
    config = WAN_1_3B.transformer
    tokens = _BLOCK_LATENTS * _TOKENS_PER_LATENT
    heads, width = config.num_heads, config.head_dim

    def zeros(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.zeros(shape, dtype=dtype)

    x, time = zeros(tokens, config.dim), zeros(6, config.dim)
    factors = zeros(tokens, width // 2, 2, dtype=torch.float32)
    own = [
        zeros(heads, _CONTEXT_LATENTS * _TOKENS_PER_LATENT, width)[:, -tokens:] for _ in range(2)
    ]
    kept = zeros(2, heads, tokens, width)
    text = [zeros(heads, config.text_len, width) for _ in range(2)]
    before, after = TransformerBlock.before_attention, TransformerBlock.after_attention
    entering, leaving = (x, time, factors, *own), (x, x, time, *text, AttentionKernel.flash)
    layer, small = _layer(), _layer()
    small.to_fp8()
    return [
        Case("before attention", before, (layer, *entering, None), 6),
        Case("before attention, keys kept", before, (layer, *entering, kept), 6),
        Case("after attention", after, (layer, *leaving), 11),
        Case("before attention, fp8", before, (small, *entering, None), 6),
        Case("after attention, fp8", after, (small, *leaving), 14),
        Case("block of the VAE", ResidualBlock.forward, _vae_block(), 9),
    ]


def _layer() -> TransformerBlock:
    layer = TransformerBlock(WAN_1_3B.transformer).eval().requires_grad_(False).bfloat16()
    layer.self_attn.fuse()
    return layer


def _vae_block() -> tuple[ResidualBlock, torch.Tensor, CausalMemory]:
    """Return the widest block at the finest resolution, a small picture, and an earlier one."""
    channels, frames = WAN_1_3B.vae.base_dim, WAN_1_3B.vae.temporal_factor
    block = ResidualBlock(channels, channels).eval().requires_grad_(False).bfloat16()
    number_convolutions(block)
    x = torch.zeros(frames, channels, 32, 32, dtype=torch.bfloat16)
    x, memory = x.contiguous(memory_format=torch.channels_last), CausalMemory(started=True)
    for part in block.modules():
        if isinstance(part, CausalConv3d):
            part.lay_out(direct=True)
            part.begin(x, memory)
    return block, x, memory


def _code_of(case: Case) -> str:
    """Return the code that Inductor writes for a part of a model."""
    found: list[str] = []

    def write(graph: torch.fx.GraphModule, _: object) -> Callable[..., Any]:
        found.append(_written(graph))
        return graph.forward

    backend = aot_autograd(
        fw_compiler=write,
        inference_compiler=write,
        decompositions=select_decomp_table(),
        keep_inference_input_mutations=True,
    )
    torch._dynamo.reset()
    with torch.inference_mode(), _as_on_gpu():
        torch.compile(case.part, fullgraph=True, dynamic=False, backend=backend)(*case.arguments)
    (code,) = found
    return code


def _written(graph: torch.fx.GraphModule) -> str:
    """Return the code of a graph that was traced on the CPU, for a GPU."""
    fake_mode = torch._guards.detect_fake_mode(
        [node.meta["val"] for node in graph.graph.nodes if node.op == "placeholder"]
    )
    assert fake_mode is not None
    relabelled = copy.deepcopy(graph)

    def on_gpu(value: object) -> object:
        if not isinstance(value, FakeTensor):
            return value
        layout = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
        return FakeTensor(fake_mode, layout, _GPU)

    with V.set_fake_mode(fake_mode):
        post_grad_passes(relabelled, True)
    for node in relabelled.graph.nodes:
        if "val" in node.meta:
            node.meta["val"] = tree_map(on_gpu, node.meta["val"])
        if "device" in node.kwargs:
            node.kwargs = {**node.kwargs, "device": _GPU}
    inputs = [node.meta["val"] for node in relabelled.graph.nodes if node.op == "placeholder"]
    with _h100():
        lowering = GraphLowering(relabelled, example_inputs=inputs, is_inference=True, name="part")
        with (
            V.set_debug_handler(DebugContext()),
            V.set_graph_handler(lowering),
            V.set_fake_mode(fake_mode),
            V.set_extern_kernel_nodes([]),
        ):
            lowering.run(*inputs)
            wrapper, _ = lowering.codegen()
    return wrapper.value


@contextmanager
def _as_on_gpu() -> Iterator[None]:
    """Take the joint product of a GPU, and the memory order that cuDNN's convolutions keep."""

    def feed_forward(layer: TransformerBlock, x_SE: torch.Tensor) -> torch.Tensor:
        joint = isinstance(layer.ffn[0], torch.nn.Linear)
        return layer.joint_feed_forward(x_SE) if joint else layer.ffn(x_SE)

    def order(x: torch.Tensor, *_: object) -> torch.memory_format:
        return torch.channels_last_3d if x.dim() == 5 else torch.channels_last

    with (
        mock.patch.object(TransformerBlock, "feed_forward", feed_forward),
        mock.patch("torch._C._conv_determine_backend_memory_format", order),
    ):
        yield


@contextmanager
def _h100() -> Iterator[None]:
    """Let torch and triton believe that there is an H100."""
    import triton
    from triton.backends.compiler import GPUTarget

    driver = SimpleNamespace(get_current_target=lambda: GPUTarget("cuda", 90, 32))
    triton.runtime.driver.set_active(driver)
    properties = SimpleNamespace(
        name="H100", minor=0, total_memory=80 << 30, gcnArchName="", **_H100
    )
    hints = DeviceProperties(type="cuda", index=0, cc=90, **_H100)
    cuda = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda *_: (9, 0),
        "get_device_properties": lambda *_: properties,
    }
    with ExitStack() as stack:
        for name, answer in cuda.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        stack.enter_context(mock.patch.object(DeviceProperties, "create", lambda _: hints))
        stack.enter_context(mock.patch("torch._inductor.scheduler.has_triton", lambda *_: True))
        yield


if __name__ == "__main__":
    sys.exit(main())
