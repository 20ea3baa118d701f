"""Check of linear layers in 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.engine.fp8 import Fp8Linear, require_fp8, to_fp8
from backbones.engine.lanes import Moment
from backbones.engine.spec import Precision
from backbones.wan.transformer import CausalWanTransformer
from harness.core.errors import DeviceError
from harness.studies.gpu_selftest.claims import Claim, NotHere, Outcome, at_most, true
from harness.studies.gpu_selftest.halves import PARTS, Halves
from harness.studies.gpu_selftest.setup import CPU, Setup, relative, window

# Rounding the result to bfloat16; rounding both factors to a mantissa of 3 bits.
_SAME_LIMIT, _ROUNDED_LIMIT = 4e-3, 5e-2
# A last bit of bfloat16 can move a factor to its neighbour in 8 bits.
_COMPILED_LIMIT = 3e-2
_TRIALS = 20


@torch.inference_mode()
def fp8(setup: Setup) -> Outcome:
    """Products in 8 bits against the same ones in float64, a layer against float32, a rollout."""
    try:
        require_fp8(setup.device)
    except DeviceError as error:
        raise NotHere(str(error)) from error
    backbone = setup.backbone(precision=Precision.fp8)
    exact = setup.backbone(precision=Precision.float32, device=CPU)
    spec, model = backbone.spec, backbone.transformer
    assert isinstance(model, CausalWanTransformer)
    tokens = spec.block_latents * spec.shape.tokens_per_latent
    claims: list[Claim] = []
    ratios: dict[str, float] = {}
    config = model.config
    for width_in, width_out in (
        (config.dim, 3 * config.dim),
        (config.dim, config.ffn_dim),
        (config.ffn_dim, config.dim),
    ):
        name = f"{tokens}x{width_in}x{width_out}"
        product = _Product(setup.device, tokens, width_in, width_out)
        claims += product.claims(name)
        ratios[name] = product.seconds_to_bfloat16()
    with setup.compiling():
        factors = spec.shape.rotary.factors(range(spec.block_latents))
        small = Halves(model, setup.device, tokens)
        eager, compiled = (small.run(factors.to(setup.device), c) for c in (False, True))
        reference = Halves(exact.transformer, CPU, tokens).run(factors, False)
    for name, one, other, right in zip(PARTS, compiled, eager, reference, strict=True):
        claims.append(at_most(f"{name} rel, compiled", relative(one, other), _COMPILED_LIMIT))
        claims.append(at_most(f"{name} rel to float32", relative(one, right), _ROUNDED_LIMIT))
    made = setup.roll_out(window(), backbone=backbone)
    plain = setup.roll_out(window(), backbone=setup.backbone(precision=Precision.bfloat16))
    claims.append(true("a rollout is finite", bool(made.latents.isfinite().all())))
    if setup.on_gpu:
        claims.append(at_most("seconds of products to bfloat16", max(ratios.values()), 1))
    return Outcome.of(
        claims,
        seconds_to_bfloat16=ratios,
        latents_rel_to_bfloat16=relative(made.latents, plain.latents),
    )


class _Product:
    """A linear layer with seeded weights and input."""

    def __init__(self, device: torch.device, tokens: int, width_in: int, width_out: int) -> None:
        generator = torch.Generator().manual_seed(width_in + width_out)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device, torch.bfloat16)

        self._x = draw(tokens, width_in)
        self._weight, self._bias = draw(width_out, width_in) / width_in**0.5, draw(width_out)
        self._layer = Fp8Linear(self._weight, self._bias)

    def claims(self, name: str) -> list[Claim]:
        """Compare with the same factors in float64, and with those before rounding to 8 bits."""
        # The result takes the place of this tensor: what the kernel leaves out is NaN.
        poison = torch.full((len(self._x), len(self._weight)), float("nan")).to(self._x)
        del poison
        found = self._layer(self._x)
        small, scale = to_fp8(self._x)
        weight = self._layer.weight.double() * self._layer.scale
        same = (small.double() * scale) @ weight.t() + self._bias
        unrounded = self._x.double() @ self._weight.double().t() + self._bias
        return [
            at_most(f"{name} rel", relative(found, same), _SAME_LIMIT),
            at_most(f"{name} rel unrounded", relative(found, unrounded), _ROUNDED_LIMIT),
        ]

    def seconds_to_bfloat16(self) -> float:
        """Return the time of the layer, its input's rounding included, in that of bfloat16's."""
        compiled = torch.compile(self._layer) if self._x.is_cuda else self._layer
        plain = torch.nn.functional.linear

        def seconds(work: object) -> float:
            assert callable(work)
            work()
            before = Moment(self._x.device)
            for _ in range(_TRIALS if self._x.is_cuda else 1):
                work()
            return Moment(self._x.device).seconds_since(before)

        in_8_bits = seconds(lambda: compiled(self._x))
        return in_8_bits / seconds(lambda: plain(self._x, self._weight, self._bias))
