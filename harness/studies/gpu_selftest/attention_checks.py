"""Checks of attention kernels and of compiled halves of a layer."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch

from backbones.engine import kernel_choice
from backbones.engine.kernel_choice import AttentionShape
from backbones.engine.runtime import AttentionKernel, Kernels, Runtime
from backbones.engine.spec import Precision
from backbones.wan.rope import rotate
from harness.studies.gpu_selftest.claims import Claim, Outcome, at_most, exactly, true
from harness.studies.gpu_selftest.halves import PARTS, Halves
from harness.studies.gpu_selftest.setup import CPU, Setup, relative, retrieval, window
from methods.sliding_window import SlidingWindow

_HEADS = 2
_KERNEL_LIMIT = 4e-3
_ROTATION_LIMIT, _ROTATION_OTHER = 1e-6, 1e-4
_HALF_LIMIT, _HALF_LIMIT_FLOAT32 = 6e-3, 1.5e-2
# Two halves, the first with and without keys kept; the rotation; a latent frame, first and later.
_GRAPHS = 6


def kernels(setup: Setup) -> Outcome:
    """Every attention kernel at every length of a rollout, against float32 without TF32."""
    claims: list[Claim] = []
    figures: dict[str, float] = {}
    refused: dict[str, str] = {}
    for kernel in _candidates(setup):
        worst = -1.0
        for shape in _shapes(setup):
            name = f"{kernel} {shape.queries}x{shape.keys}"
            trial = kernel_choice.try_kernel(kernel, shape, setup.device)
            if trial.problem is not None:
                refused[name] = trial.problem
            if trial.error is None:
                continue
            # A maximum would drop NaN, which must not hold.
            worst = trial.error if not trial.error <= worst else worst
            flops = 4 * shape.heads * shape.queries * shape.keys * shape.head_dim
            figures[name] = flops / max(trial.seconds, 1e-9) / 1e12
        if worst >= 0 or worst != worst:
            claims.append(at_most(f"{kernel} rel", worst, _KERNEL_LIMIT))
    claims.append(
        true("a kernel other than math runs", any(not name.startswith("math") for name in figures))
    )
    return Outcome.of(claims, tflops_per_s=figures, refused=refused)


def choice(setup: Setup) -> Outcome:
    """`auto` twice: the second time the choice comes from the file, and it computes right."""
    shape = _shapes(setup)[-1]
    kernels_here = _candidates(setup)
    timed: list[AttentionKernel] = []

    def trial_of(kernel: AttentionKernel) -> kernel_choice.Trial:
        timed.append(kernel)
        return kernel_choice.try_kernel(kernel, shape, setup.device)

    with _empty_cache():
        first = kernel_choice.fastest("selftest", kernels_here, trial_of)
        num_timed = len(timed)
        second = kernel_choice.fastest("selftest", kernels_here, trial_of)
    error = kernel_choice.try_kernel(first, shape, setup.device).error
    return Outcome.of(
        [
            true("the same choice twice", first is second),
            exactly("kernels timed the first time", num_timed, len(kernels_here)),
            exactly("kernels timed the second time", len(timed) - num_timed, 0),
            at_most(f"{first} rel", math.nan if error is None else error, _KERNEL_LIMIT),
        ],
        choice=str(first),
    )


@torch.inference_mode()
def compiled_halves(setup: Setup) -> Outcome:
    """Rotation and halves of a layer: compiled against eager, and against float32."""
    backbone = setup.backbone(precision=Precision.bfloat16)
    exact = setup.backbone(precision=Precision.float32, device=CPU)
    shape, spec = backbone.spec.shape, backbone.spec
    tokens = spec.block_latents * shape.tokens_per_latent
    turned = Halves(backbone.transformer, setup.device, tokens)
    reference = Halves(exact.transformer, CPU, tokens)
    factors = shape.rotary.factors(range(spec.block_latents)).to(setup.device)
    with setup.compiling():
        rotate_compiled = torch.compile(rotate, fullgraph=True, dynamic=False)
        rotated = {
            keys.dtype: (rotate(keys, factors), rotate_compiled(keys, factors))
            for keys in (turned.keys_HSD, turned.keys_HSD.float())
        }
        eager_halves = turned.run(factors, compiled=False)
        compiled_halves_ = turned.run(factors, compiled=True)
    exact_halves = reference.run(factors.cpu(), compiled=False)
    back = factors * torch.tensor([1.0, -1.0], device=setup.device)  # turns the other way
    kept, placed = compiled_halves_[3], compiled_halves_[1]
    eager, compiled = rotated[torch.float32]
    rounded, compiled_rounded = rotated[torch.bfloat16]
    other = float((rounded != compiled_rounded).float().mean())
    return Outcome.of(
        [
            # A compiler may fuse another product of the two into the sum, which rounds otherwise.
            at_most("rotation rel in float32", relative(compiled, eager), _ROTATION_LIMIT),
            at_most("share of other values in bfloat16", other, _ROTATION_OTHER),
            *(
                at_most(f"{name} rel", relative(c, e), _HALF_LIMIT)
                for name, c, e in zip(PARTS, compiled_halves_, eager_halves, strict=True)
            ),
            *(
                at_most(f"{name} rel to float32", relative(c, e), _HALF_LIMIT_FLOAT32)
                for name, c, e in zip(PARTS, compiled_halves_, exact_halves, strict=True)
            ),
            at_most("keys kept, turned", relative(rotate(placed, back), kept), _KERNEL_LIMIT),
        ]
    )


def graphs(setup: Setup) -> Outcome:
    """Compiled graphs of two methods and two videos each, half decoded: few, none made twice."""
    counts = []
    runtime = Runtime(Kernels(compile=True))
    counters = torch._dynamo.utils.counters
    with setup.compiling():
        counters.clear()
        backbone = setup.backbone()
        for seed in range(2):
            for strategy in (window(), retrieval()):
                decode = isinstance(strategy, SlidingWindow)
                setup.roll_out(strategy, runtime, backbone=backbone, decode=decode, seed=seed)
                counts.append(counters["stats"]["unique_graphs"])
        backbone.compile(False)
    return Outcome.of(
        [
            at_most("graphs of two methods", counts[1], _GRAPHS),
            exactly("graphs made for their second videos", counts[-1] - counts[1], 0),
            true("something was compiled", counts[0] > 0),
        ],
        graphs=counts,
    )


def _candidates(setup: Setup) -> tuple[AttentionKernel, ...]:
    if setup.on_gpu:
        return (*kernel_choice.gpu_kernels(), AttentionKernel.math)
    return (AttentionKernel.flash, AttentionKernel.math)


def _shapes(setup: Setup) -> list[AttentionShape]:
    """Return a block with itself alone, and with growing contexts; the full one is the last."""
    spec = setup.backbone().spec
    tokens, block = spec.shape.tokens_per_latent, spec.block_latents
    frames = (block, block + 1, spec.budget_latents - block, spec.budget_latents)
    keys = [512, *(count * tokens for count in frames)]
    queries, head_dim = block * tokens, spec.shape.head_dim
    return [AttentionShape(_HEADS, queries, k, head_dim, torch.bfloat16) for k in keys]


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Use an empty folder for the user's cache."""
    with (
        tempfile.TemporaryDirectory(prefix="longtake-cache-") as folder,
        mock.patch.dict(os.environ, LONGTAKE_CACHE=folder),
    ):
        yield
