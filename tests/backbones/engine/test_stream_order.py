"""No two lanes touch the same memory without a wait between them; a forgotten wait is found."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from backbones.engine import rollout as rollout_module
from backbones.engine.backbone import Backbone
from backbones.engine.kv.tiers import FrameTiers, TierSizes
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from harness.run.video_pipeline import NoWriter, VideoPipeline
from methods.base import MemoryStrategy
from methods.controls import Random
from methods.rag import Rag
from methods.sliding_window import SlidingWindow
from tests.backbones.engine.stream_order import StreamOrder
from tests.small import small_backbone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("shapes_unchecked")]

PROMPT = "dusk grassy four walking"
NUM_LATENTS = 45  # so many that retrieved frames displace those of the block before


class Doubling:
    """A decoder for the order of its work alone."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return (2 * latents).to(torch.uint8)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return replace(small_backbone(1000), start_decoder=Doubling)


def retrieval(**arguments: Any) -> Rag:
    return Rag(recent_exclude_latents=0, **arguments)


def at_random() -> Random:
    """Frames without a search, for whose result the host would wait and thereby order much."""
    return Random(recent_exclude_latents=0)


def order_of(
    backbone: Backbone, strategy: MemoryStrategy, monkeypatch: pytest.MonkeyPatch, host: int
) -> StreamOrder:
    """Roll out and decode with a device tier of little more than a context, and lower tiers."""
    sizes = TierSizes(14, host, NUM_LATENTS if host < NUM_LATENTS else 0, Path("/tmp"))
    monkeypatch.setattr(rollout_module, "plan_tiers", lambda *_: sizes)
    order = StreamOrder()
    with order.watching():
        rollout = Rollout(backbone, strategy, PROMPT, SeededNoise(0, PROMPT), NUM_LATENTS, 0)
        decoder = backbone.start_decoder()
        with VideoPipeline(decoder, NoWriter(), backbone.device) as video:
            for block in rollout.blocks():
                video.push(block.latents)
    return order


@pytest.mark.parametrize(
    ("strategy", "host"),
    [
        (SlidingWindow, NUM_LATENTS),
        (at_random, NUM_LATENTS),
        (at_random, 4),
        (retrieval, 4),
        (lambda: retrieval(descriptor="mean_keys"), NUM_LATENTS),
    ],
    ids=["window", "random", "random-file", "latents-file", "keys"],
)
def test_every_access_is_ordered(
    strategy: Callable[[], MemoryStrategy],
    host: int,
    backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = order_of(backbone, strategy(), monkeypatch, host)
    assert order.unordered == set()
    assert {"main", "decode"} <= order.lanes
    assert ("file" in order.lanes) == (host < NUM_LATENTS)


def without(kind: type, method: str, line: str) -> Callable[[], AbstractContextManager[Any]]:
    """A fault: a method without one line of its source."""
    function = getattr(kind, method)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    assert source.count(line) == 1, source
    names = dict(vars(inspect.getmodule(function)))
    exec(compile(source.replace(line, "pass"), "fault", "exec"), names)
    return lambda: mock.patch.object(kind, method, names[method])


@pytest.mark.parametrize(
    ("fault", "strategy", "host"),
    [
        (lambda: without(FrameTiers, "arrive", "self._up.join()"), at_random, NUM_LATENTS),
        (lambda: without(FrameTiers, "put", "self._down.join()"), at_random, NUM_LATENTS),
        (lambda: without(FrameTiers, "bring_up", "self._down.join()"), at_random, NUM_LATENTS),
        (
            lambda: without(FrameTiers, "done_reading", "self._read = Moment(self._device)"),
            at_random,
            NUM_LATENTS,
        ),
        (
            lambda: without(Rollout, "_make_block", "self._search.join()"),
            lambda: retrieval(descriptor="mean_keys"),
            NUM_LATENTS,
        ),
        # The two hosts: the rollout and the thread of the file.
        (lambda: without(FrameTiers, "_start_writing", "filled.wait()"), at_random, 4),
        (lambda: without(FrameTiers, "_free_host_slab", "slab.wait()"), at_random, 4),
        (lambda: without(FrameTiers, "_start_reading", "staging.busy_until.wait()"), at_random, 4),
    ],
    ids=[
        *("arrive", "put", "bring-up", "done-reading", "observe-keys"),
        *("write-before-copied", "overwrite-before-written", "overwrite-staging"),
    ],
)
def test_a_forgotten_wait_is_found(
    fault: Callable[[], Callable[[], AbstractContextManager[Any]]],
    strategy: Callable[[], MemoryStrategy],
    host: int,
    backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fault()():
        order = order_of(backbone, strategy(), monkeypatch, host)
    assert order.unordered
