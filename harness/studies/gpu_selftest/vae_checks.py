"""Checks of the VAE's decoder: number formats, chunks, and two videos at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from backbones.engine.lanes import Lane
from backbones.engine.spec import Precision
from harness.core.determinism import full_float32
from harness.studies.gpu_selftest.claims import Outcome, at_least, true
from harness.studies.gpu_selftest.rollout_checks import alike
from harness.studies.gpu_selftest.setup import CPU, Setup

_LATENTS = 6
_CHUNK = 3
_SMALL = (15, 26)  # latent rows and columns of 120x208 pixels


def decoder(setup: Setup) -> Outcome:
    """bfloat16 compiled against float32; float32 against the CPU; chunks; two at once."""
    latents = _latents(setup)
    backbone = setup.backbone(precision=Precision.bfloat16)
    exact = setup.backbone(precision=Precision.float32)
    with setup.compiling(), full_float32():
        backbone.compile(setup.on_gpu)  # tracing alone takes as long as all the rest
        compiled = _decode(backbone.start_decoder(), latents, _CHUNK)
        backbone.compile(False)
        plain = _decode(exact.start_decoder(), latents, _CHUNK)
    with full_float32():
        small = latents[:_CHUNK, :, : _SMALL[0], : _SMALL[1]]
        on_cpu = setup.backbone(precision=Precision.float32, device=CPU)
        here = _decode(exact.start_decoder(), small, 1)
        there = _decode(on_cpu.start_decoder(), small.cpu(), 1)
    one_by_one = _decode(backbone.start_decoder(), latents, 1)
    in_threes = _decode(backbone.start_decoder(), latents, _CHUNK)
    first, second = _two_at_once(setup, latents)
    return Outcome.of(
        [
            at_least("PSNR dB of bfloat16", _psnr(compiled, plain), 40),
            *alike(here, there),
            true("the same one by one and in threes", torch.equal(one_by_one, in_threes)),
            true("the same beside another video", torch.equal(first, one_by_one)),
            true("so is the other video", torch.equal(second, one_by_one)),
        ]
    )


@torch.inference_mode()
def _two_at_once(setup: Setup, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Decode the same latents by two decoders, on two lanes in alternation."""
    backbone = setup.backbone(precision=Precision.bfloat16)
    lanes = [Lane(setup.device, name) for name in ("decode", "search")]
    decoders = [backbone.start_decoder() for _ in lanes]
    parts: list[list[Tensor]] = [[], []]
    for latent in latents:
        for lane, each, part in zip(lanes, decoders, parts, strict=True):
            with lane.entered():
                part.append(each.decode(latent[None]))
    for lane in lanes:
        lane.wait()
    first, second = (torch.cat(part).cpu() for part in parts)
    return first, second


@torch.inference_mode()
def _decode(decoder: object, latents: Tensor, chunk: int) -> Tensor:
    decode = decoder.decode  # type: ignore[attr-defined]
    return torch.cat([decode(part).cpu() for part in latents.split(chunk)])


def _latents(setup: Setup) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    shape = (_LATENTS, *setup.backbone().spec.geometry.latent_shape)
    return torch.randn(shape, generator=generator).to(setup.device)


def _psnr(found: Tensor, expected: Tensor) -> float:
    """Return the peak signal-to-noise ratio of 8-bit frames, dB."""
    error = (found.double() - expected.double()).square().mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / float(error))
