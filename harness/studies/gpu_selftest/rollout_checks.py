"""Checks of whole rollouts: equal bits wherever only place, time or order differ."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from backbones.engine.kv.tiers import FrameTiers
from backbones.engine.lanes import Lane
from backbones.engine.noise import SeededNoise
from backbones.engine.protocol import BlockPass
from backbones.engine.rollout import Rollout
from backbones.engine.runtime import AttentionKernel, Kernels, KVLimits, Runtime
from backbones.engine.spec import Precision
from backbones.engine.together import in_step, places
from backbones.engine.videos import all_blocks
from backbones.wan.backbone import Flavor
from backbones.wan.transformer import CausalWanTransformer
from harness.core.determinism import full_float32, strictly_deterministic
from harness.core.machine import GIB
from harness.studies.gpu_selftest.claims import (
    Claim,
    NotHere,
    Outcome,
    at_least,
    at_most,
    exactly,
    true,
)
from harness.studies.gpu_selftest.setup import (
    CPU,
    PROMPT,
    Made,
    Setup,
    relative,
    retrieval,
    window,
)
from methods.encoders.base import Source

_TIERS = (12, 4)  # latent frames on the device and, of the rest, on the host
_MOST_SLEEP_CYCLES = 4 * 10**7  # about 20 ms
_MOST_SLEEP_S = 2e-4
_RESUMED_BLOCKS = 5


def parity(setup: Setup) -> Outcome:
    """A small float32 rollout on the device and on the CPU: the same contexts and video."""
    precision, flavor = Precision.float32, Flavor.debug
    length = 36 if setup.on_gpu else setup.num_latents
    # Without a GPU another attention kernel stands for the other device.
    other = AttentionKernel.auto if setup.on_gpu else AttentionKernel.math
    with full_float32():
        here = setup.roll_out(
            retrieval(),
            Runtime(Kernels(compile=False, attention=other)),
            backbone=setup.backbone(flavor, precision),
            num_latents=length,
            decode=True,
        )
        there = setup.roll_out(
            retrieval(),
            backbone=setup.backbone(flavor, precision, CPU),
            num_latents=length,
            decode=True,
        )
    assert here.frames is not None and there.frames is not None
    return Outcome.of(
        [
            at_most("latents rel", relative(here.latents, there.latents), 1e-4),
            true("the same contexts", _frames_of(here) == _frames_of(there)),
            *alike(here.frames, there.frames),
        ]
    )


def tiers(setup: Setup) -> Outcome:
    """Keys and values on the device, on the host, in the file: the same video."""
    slab_gib = setup.backbone().spec.kv_bytes_per_latent / GIB
    on_device, on_host = ((count + 0.5) * slab_gib for count in _TIERS)
    if setup.on_gpu:
        limits = {
            "host": KVLimits(device_gib=on_device),
            "file": KVLimits(device_gib=on_device, host_gib=on_host),
        }
    else:  # the CPU has no tier between memory and file
        limits = {"file": KVLimits(host_gib=on_device)}
    length = 30  # so long that frames which left the device are retrieved
    ample = setup.roll_out(retrieval(), num_latents=length)
    claims, figures = [], {}
    for place, limit in limits.items():
        with fetches() as fetched:
            made = setup.roll_out(retrieval(), Runtime(kv=limit), num_latents=length)
        figures[place] = made.rollout.store.allocated_mib()
        used = figures[place]["spilled" if place == "file" else "host"]
        claims += [
            true(f"the {place} tier changes nothing", made.same_as(ample)),
            true(f"the {place} tier was used", used > 0),
            at_least("frames that came back", len(fetched), 1),
        ]
    return Outcome.of(claims, mib=figures)


def order(setup: Setup) -> Outcome:
    """Random delays at every entry of a lane and after every pass change nothing.

    A copy that starts before its source is ready, or after its target is read, shows as other bits.
    """
    claims = []
    strategies = {
        "latents": retrieval,
        "keys": lambda: retrieval(descriptor="mean_keys"),
        "frames": lambda: retrieval(descriptor=f"{__name__}:MeanColours"),
    }
    for seed, (name, strategy) in enumerate(strategies.items()):
        plain = setup.roll_out(strategy(), _forced_tiers(setup), decode=True)
        with _delays(setup, seed):
            delayed = setup.roll_out(strategy(), _forced_tiers(setup), decode=True)
        claims.append(true(f"delays change nothing, retrieval by {name}", delayed.same_as(plain)))
    return Outcome.of(claims)


def prefix(setup: Setup) -> Outcome:
    """A short video is the beginning of a longer one."""
    length = setup.num_latents  # retrieval begins within it
    short = setup.roll_out(retrieval(), decode=True)
    whole = setup.roll_out(
        retrieval(), decode=True, num_latents=2 * length if setup.on_gpu else length + 9
    )
    assert whole.frames is not None and short.frames is not None
    return Outcome.of(
        [
            true("the short one retrieves", any(plan.memory_frames() for plan in short.plans)),
            true("latents are a prefix", _begins(whole.latents, short.latents)),
            true("frames are a prefix", _begins(whole.frames, short.frames)),
        ]
    )


def resume(setup: Setup) -> Outcome:
    """A rollout resumed after five blocks ends as if it had not stopped."""
    whole = setup.roll_out(retrieval(), decode=True)
    made = whole.latents[: _RESUMED_BLOCKS * setup.backbone().spec.block_latents]
    resumed = setup.roll_out(retrieval(), decode=True, made=made)
    replayed = sum(block.replayed for block in resumed.blocks)
    return Outcome.of(
        [
            true("resumed equals uninterrupted", resumed.same_as(whole)),
            exactly("blocks replayed", replayed, _RESUMED_BLOCKS),
        ]
    )


def repeat(setup: Setup) -> Outcome:
    """The same rollout twice, and twice with deterministic kernels only."""
    first, second = (setup.roll_out(retrieval(), decode=True) for _ in range(2))
    with strictly_deterministic(True):
        third, fourth = (
            setup.roll_out(retrieval(), Runtime(deterministic=True), decode=True) for _ in range(2)
        )
    return Outcome.of(
        [
            true("twice the same", first.same_as(second)),
            true("deterministic: twice the same", third.same_as(fourth)),
        ]
    )


def cuda_graphs(setup: Setup) -> Outcome:
    """Passes replayed as CUDA graphs give the same bits."""
    if not graphs_here(setup):
        raise NotHere("CUDA graphs need a GPU")
    plain = setup.roll_out(retrieval())
    captured = setup.roll_out(retrieval(), Runtime(Kernels(cuda_graphs=True)))
    return Outcome.of([true("captured passes change nothing", captured.same_as(plain))])


def graphs_here(setup: Setup) -> bool:
    """Tell if passes can be captured."""
    return setup.on_gpu


def batch(setup: Setup) -> Outcome:
    """Videos made at once have the bits of each made alone."""
    backbone = setup.backbone()
    together = CausalWanTransformer.passes_together
    videos: list[int] = []

    def counting(model: CausalWanTransformer, passes: Sequence[BlockPass]) -> list[Tensor]:
        videos.append(len(passes))
        return together(model, passes)

    work = []
    for seed, place in enumerate(places(backbone, KVLimits(), 2)):
        noise = SeededNoise(seed, PROMPT)
        arguments = (retrieval(), PROMPT, noise, setup.num_latents, seed, None, place)
        work.append(all_blocks(Rollout(backbone, *arguments)))
    with mock.patch.object(CausalWanTransformer, "passes_together", counting):
        found = in_step(work)
    claims = [at_least("passes computed together", videos.count(2), 1)]
    for seed, blocks in enumerate(found):
        alone = setup.roll_out(retrieval(), seed=seed)
        latents = torch.cat([block.latents for block in blocks]).cpu()
        claims.append(true(f"video {seed} is the same", torch.equal(latents, alone.latents)))
    return Outcome.of(claims)


def waiting(setup: Setup) -> Outcome:
    """The host waits for nothing but the strategy's choice."""
    claims: list[Claim] = []
    setup.roll_out(window())  # compiled and measured before
    for strategy in (window(), retrieval()):
        name = type(strategy).__name__
        if setup.on_gpu:
            # torch warns of each wait; its dispatch modes would forbid compiled layers.
            with _sync_warnings() as found:
                made = setup.roll_out(strategy)
        else:
            with _HostReads() as reads:
                made = setup.roll_out(strategy)
            found = reads.found
        searches = sum(bool(plan.memory_frames()) for plan in made.plans)
        if setup.on_gpu:
            # Of a search: is every descriptor finite, which are alike, and two copies of them. The
            # latents are read once, at the end.
            claims.append(at_most(f"waits of {name}", len(found), 4 * searches + 1))
        else:
            claims.append(exactly(f"host reads of {name}", len(found), 2 * searches))
    claims.append(true("retrieval retrieved", searches > 0))
    return Outcome.of(claims)


@contextmanager
def fetches() -> Iterator[list[int]]:
    """Collect the frames that are brought back to the device from a slower tier."""
    found: list[int] = []
    bring_up = FrameTiers.bring_up

    def noting(tiers: FrameTiers, frames: Collection[int]) -> None:
        found.extend(f for f in frames if tiers.holds(f) and f not in tiers._device_tier.slabs)
        bring_up(tiers, frames)

    with mock.patch.object(FrameTiers, "bring_up", noting):
        yield found


class MeanColours:
    """An encoder of decoded frames for these checks: the mean colours of a grid of cells."""

    source = Source.frames

    def __init__(self, checkpoint: str | None) -> None:
        assert checkpoint is None

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        """Accept any latent shape."""

    def embed(self, inputs: Tensor) -> Tensor:
        """Return unit vectors of RGB frames (frame, height, width, 3)."""
        colours = inputs.permute(0, 3, 1, 2).float() - 127.5
        cells = torch.nn.functional.adaptive_avg_pool2d(colours, 4).flatten(1)
        return torch.nn.functional.normalize(cells, dim=-1)

    def fingerprint(self) -> str:
        """Return a fixed word, because there are no weights."""
        return "none"


class _HostReads(TorchDispatchMode):
    """Records the operations that make the host wait for a device."""

    _WAITING = ("item", "_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        name = func.overloadpacket.__name__
        if name in self._WAITING:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def _sync_warnings() -> Iterator[list[str]]:
    """Collect the texts of torch's warnings about operations that wait for a GPU."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found += [str(w.message) for w in caught if "synchronizing CUDA" in str(w.message)]


@contextmanager
def _delays(setup: Setup, seed: int) -> Iterator[None]:
    """Delay the device at random at every entry of a lane, and after every pass."""
    draw = random.Random(seed)

    def delay() -> None:
        if setup.on_gpu:
            torch.cuda._sleep(draw.randrange(_MOST_SLEEP_CYCLES))
        else:
            time.sleep(draw.uniform(0, _MOST_SLEEP_S))

    entered, forward = Lane.entered, CausalWanTransformer.forward

    @contextmanager
    def late(lane: Lane, after: Any = None) -> Iterator[None]:
        with entered(lane, after):
            delay()
            yield

    def slow(*arguments: Any, **named: Any) -> Any:
        flow = forward(*arguments, **named)
        delay()
        return flow

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Lane, "entered", late))
        stack.enter_context(mock.patch.object(CausalWanTransformer, "forward", slow))
        yield


def alike(found: Tensor, expected: Tensor) -> list[Claim]:
    """Claim that frames differ by rounding only."""
    levels = (found.int() - expected.int()).abs()
    return [
        at_most("levels of a pixel", float(levels.max()), 1),
        at_most("share of other pixels", float((levels > 0).float().mean()), 1e-3),
    ]


def _forced_tiers(setup: Setup) -> Runtime:
    """Return settings under which retrieved frames have left the device."""
    gib = (_TIERS[0] + 0.5) * setup.backbone().spec.kv_bytes_per_latent / GIB
    limits = KVLimits(device_gib=gib) if setup.on_gpu else KVLimits(host_gib=gib)
    return Runtime(kv=limits)


def _frames_of(made: Made) -> list[tuple[int, ...]]:
    return [plan.frames for plan in made.plans]


def _begins(whole: Tensor, part: Tensor) -> bool:
    return len(part) < len(whole) and torch.equal(whole[: len(part)], part)
