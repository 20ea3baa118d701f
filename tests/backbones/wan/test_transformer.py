"""The causal transformer on one block that sees only itself is Wan's ordinary transformer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch._inductor.config
from torch import Tensor

from backbones.engine.attention import current_kernel, using
from backbones.engine.protocol import AttentionContext
from backbones.engine.runtime import AttentionKernel
from backbones.wan.config import WanConfig
from backbones.wan.diffusers_layout import wan_names
from backbones.wan.rope import Rope, rotate
from backbones.wan.transformer import CausalWanTransformer, TransformerBlock

WAN_1_3B = {
    "dim": 1536,
    "ffn_dim": 8960,
    "num_heads": 12,
    "in_dim": 16,
    "out_dim": 16,
    "freq_dim": 256,
    "text_dim": 4096,
    "text_len": 512,
}
ROWS, COLUMNS, FRAMES = 4, 6, 3


def random_weights(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith(("norm_q.weight", "norm_k.weight", "norm2.weight", "norm3.weight")):
            noise = 1 + 0.1 * noise
        elif parameter.dim() > 1 and not name.endswith(("modulation", "scale_shift_table")):
            noise = noise / parameter[0].numel() ** 0.5
        parameter.data = noise


def one_block(
    model: CausalWanTransformer, latents: Tensor, timestep: float, text: Tensor
) -> Tensor:
    config = model.config
    rope = Rope(config.head_dim, ROWS, COLUMNS, 64)
    tokens = FRAMES * ROWS * COLUMNS
    kv = torch.empty(2, config.num_layers, config.num_heads, tokens, config.head_dim)
    context = AttentionContext(kv[0], kv[1], rope.factors(range(FRAMES)), tokens)
    return model(latents, model.time_context(timestep), context, model.text_context(text))


@pytest.mark.slow
@torch.inference_mode()
def test_a_full_attention_window_equals_diffusers() -> None:
    from diffusers import WanTransformer3DModel

    model = CausalWanTransformer(WanConfig(num_layers=2, **WAN_1_3B))
    reference = WanTransformer3DModel(
        num_attention_heads=12,
        attention_head_dim=128,
        ffn_dim=8960,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
    )
    random_weights(reference.eval())
    model.load_state_dict(wan_names(reference.state_dict()))
    model.prepare()
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(FRAMES, 16, 2 * ROWS, 2 * COLUMNS, generator=generator)
    text = torch.randn(512, 4096, generator=generator)
    ours = one_block(model, latents, 625.0, text)
    theirs = reference(
        latents.transpose(0, 1)[None], torch.tensor([625.0]), text[None], return_dict=False
    )[0][0].transpose(0, 1)
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_the_1_3b_shape_has_the_original_names_and_size() -> None:
    with torch.device("meta"):
        model = CausalWanTransformer(WanConfig(num_layers=30, **WAN_1_3B))
    assert len(model.state_dict()) == 825
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_418_996_800


def test_the_compiled_form_of_the_rotation_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, FRAMES * ROWS * COLUMNS, 32, generator=generator)
    factors = Rope(32, ROWS, COLUMNS, 64).factors([0, 7, 63])
    plain = rotate(x, factors)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(rotate(x, factors), plain, rtol=1e-6, atol=1e-6)
    exact = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)))
    exact = exact * torch.view_as_complex(factors.double())
    torch.testing.assert_close(
        plain.double(), torch.view_as_real(exact).flatten(-2), rtol=1e-6, atol=1e-6
    )


SMALL = WanConfig(
    dim=64,
    ffn_dim=128,
    num_heads=2,
    num_layers=1,
    in_dim=16,
    out_dim=16,
    freq_dim=32,
    text_dim=32,
    text_len=8,
)


@pytest.mark.slow
@pytest.mark.usefixtures("shapes_unchecked")
def test_a_layer_is_compiled_for_each_attention_kernel() -> None:
    """Compiled code keeps the kernel it was first run with, whatever is enabled later."""
    graphs = []

    def count(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    half = TransformerBlock.after_attention
    compiled = torch.compile(half, fullgraph=True, dynamic=False, backend=count)
    layer = TransformerBlock(SMALL).eval()
    x, text = torch.randn(12, 64), torch.randn(2, 8, 32)
    numbers = []
    with torch.inference_mode():
        for kernel in (AttentionKernel.flash, AttentionKernel.math, AttentionKernel.flash):
            with using(kernel):
                compiled(layer, x, x, torch.randn(6, 64), text, text, current_kernel())
            numbers.append(len(graphs))
    assert numbers == [1, 2, 2]
    assert current_kernel() is AttentionKernel.auto


@pytest.mark.slow
@pytest.mark.usefixtures("shapes_unchecked")
@torch.inference_mode()
def test_code_written_by_the_compiler_computes_what_eager_code_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Inductor's C++ for the CPU; queries leave it in token order."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    layer = TransformerBlock(SMALL).eval().requires_grad_(False)
    layer.self_attn.fuse()
    generator = torch.Generator().manual_seed(0)
    tokens = 12
    x, y, modulation = (torch.randn(n, 64, generator=generator) for n in (tokens, tokens, 6))
    text = torch.randn(2, 2, 8, 32, generator=generator)
    factors = Rope(32, 2, 2, 16).factors([0, 1, 9])

    def run(compiled: bool) -> tuple[Tensor, ...]:
        before, after = TransformerBlock.before_attention, TransformerBlock.after_attention
        if compiled:
            before, after = (
                torch.compile(f, fullgraph=True, dynamic=False) for f in (before, after)
            )
        own, kept = (torch.empty(2, 2, tokens, 32) for _ in range(2))
        q_HSD = before(layer, x, modulation, factors, own[0], own[1], kept)
        assert q_HSD.stride() == (32, 64, 1)
        return q_HSD, own, kept, after(layer, x, y, modulation, text[0], text[1])

    expected = run(compiled=False)
    torch._dynamo.reset()
    # One thread and plain loops, because compiling takes nearly all of the time.
    settings = {"compile_threads": 1, "cpp.simdlen": 1, "cpp_cache_precompile_headers": False}
    with torch._inductor.config.patch(settings):
        found = run(compiled=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_gelu_is_part_of_the_product_on_a_gpu() -> None:
    """A tensor that says it is on a GPU; the CPU computes GELU's exact form there."""

    class OnGpu(torch.Tensor):
        is_cuda = True

    layer = TransformerBlock(SMALL).eval()
    x = torch.randn(12, 64)
    widen, _, narrow = layer.ffn
    with torch.inference_mode():
        joint = layer.feed_forward(x.as_subclass(OnGpu))
        torch.testing.assert_close(
            joint.as_subclass(torch.Tensor), narrow(torch.nn.functional.gelu(widen(x)))
        )
        torch.testing.assert_close(layer.feed_forward(x), layer.ffn(x), rtol=0, atol=0)
    # The joint product has no gradient, so training computes the parts.
    torch.testing.assert_close(layer.feed_forward(x.as_subclass(OnGpu)), layer.ffn(x))
