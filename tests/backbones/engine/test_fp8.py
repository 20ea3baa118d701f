"""Linear layers in 8 bits: products, the identity of units, refusals, and what videos show."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.engine.fp8 import Fp8Linear, require_fp8, to_fp8
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.spec import Precision
from backbones.street.backbone import StreetBackbone
from backbones.wan.backbone import Flavor, SelfForcing, WanWeights
from backbones.wan.transformer import CausalWanTransformer
from harness.core.errors import ConfigError, DeviceError
from methods.sliding_window import SlidingWindow

CPU = torch.device("cpu")
PROMPT = "dusk grassy four walking"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.integers(-30, 30), zero_row=st.booleans())
def test_rows_of_any_size_keep_their_leading_bits(seed: int, exponent: int, zero_row: bool) -> None:
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(seed)) * 2.0**exponent
    x = x.bfloat16()
    if zero_row:
        x[2] = 0
    small, scale = to_fp8(x)
    back = small.float() * scale
    assert back.isfinite().all()
    largest = x.float().abs().amax(-1, keepdim=True)
    # Half a step of 3 bits of mantissa, or of the smallest step below the range of exponents.
    bound = torch.maximum(x.float().abs() * 2**-4, largest * 2**-10 / 448)
    assert bool(((back - x.float()).abs() <= 1.01 * bound + 1e-20).all())


def test_a_product_is_that_of_its_rounded_factors() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(n, 64, generator=generator).bfloat16() for n in (24, 48))
    x[:3] *= 1000  # a large token must not take the bits of the others
    bias = torch.randn(48, generator=generator).bfloat16()
    layer = Fp8Linear(weight, bias)
    (x8, scale), weight8 = to_fp8(x), layer.weight.double() * layer.scale
    same = (x8.double() * scale) @ weight8.t() + bias
    unrounded = x.double() @ weight.double().t() + bias
    found = layer(x).double()
    assert found.isfinite().all()
    by_token = (found - same).norm(dim=1) / same.norm(dim=1)
    assert float(by_token.max()) < 4e-3
    assert float(((found - unrounded).norm(dim=1) / unrounded.norm(dim=1)).max()) < 5e-2


def wan(precision: Precision, **arguments: Precision) -> SelfForcing:
    return SelfForcing(
        weights=WanWeights.random, flavor=Flavor.debug, precision=precision, **arguments
    )


def test_it_is_part_of_the_identity() -> None:
    identities = [wan(precision).identity() for precision in Precision]
    assert len({str(identity) for identity in identities}) == len(Precision) == 3


def test_all_products_of_tokens_with_weights_are_in_8_bits_and_keys_are_bfloat16() -> None:
    backbone = wan(Precision.fp8).load(CPU, [PROMPT])
    assert isinstance(backbone.transformer, CausalWanTransformer)
    for layer in backbone.transformer.layers():
        small = {name for name, part in layer.named_modules() if isinstance(part, Fp8Linear)}
        assert small == {
            "self_attn.qkv",
            "self_attn.o",
            "cross_attn.q",
            "cross_attn.o",
            "ffn.0",
            "ffn.2",
        }
    assert backbone.spec.kv_bytes_per_latent == wan(Precision.bfloat16).spec().kv_bytes_per_latent
    assert backbone.encode_text(PROMPT).dtype is torch.bfloat16


def test_it_is_refused_where_it_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"vae_precision=fp8: only linear layers"):
        wan(Precision.fp8, vae_precision=Precision.fp8).spec()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA A100")

    with pytest.raises(
        DeviceError, match=r"capability 8\.9 or later .* NVIDIA A100 has 8\.0\. Use"
    ):
        require_fp8(torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    require_fp8(torch.device("cuda"))


def psnr(found: Tensor, expected: Tensor) -> float:
    return 10 * math.log10(255**2 / float((found.double() - expected).square().mean()))


@pytest.mark.slow
def test_videos_of_the_embedded_world_look_alike() -> None:
    """Far more than those of another seed, and bit for bit the same from run to run."""

    def video(precision: Precision, seed: int = 0) -> Tensor:
        source = StreetBackbone(precision=precision, denoising_step_list=[1000, 700, 400, 150])
        backbone = source.load(CPU, [PROMPT])
        noise = SeededNoise(seed, PROMPT)
        rollout = Rollout(backbone, SlidingWindow(), PROMPT, noise, 6, seed)
        latents = torch.cat([block.latents for block in rollout.blocks()])
        return backbone.start_decoder().decode(latents)

    exact, other = video(Precision.float32), video(Precision.float32, seed=1)
    found = video(Precision.fp8)
    assert psnr(found, exact) > max(25, psnr(other, exact) + 6)
    assert torch.equal(found, video(Precision.fp8))
