"""Retrieval by the prompt of the block to come, in place of the newest frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from eval.clip import Clip
from eval.metrics.text_alignment import OpenClipImages, OpenClipText
from eval.networks.torch_network import TorchNetwork
from eval.retrieval.image_text import ImageText
from harness.core.errors import ConfigError, LongtakeError
from harness.core.registry import PluginError
from methods.encoders.base import EmbedsPrompts
from methods.encoders.pooled import PromptKeys
from methods.rag import Rag
from methods.successor import Successor
from tests.methods.test_published import View, plans
from tests.methods.test_strategies import SPEC

# The prompt is [1, 0] until frame 30 and [0, 1] from then on, which frames 4, 10 and 50 look like.
KEYS = {4: [0.1, 1.0], 10: [0.0, 1.0], 50: [0.0, 1.0]}


def by_prompt(**given) -> Rag:
    return Rag(descriptor="prompt_keys", memory_latents=2, **given)


def test_frames_are_those_like_the_prompt_of_the_block_that_is_planned() -> None:
    made = plans(by_prompt(), View(KEYS, (0, 30)))
    before, switched, late = (made[frame // 3] for frame in (27, 30, 75))
    assert before.memory_frames() == (1, 2)
    assert switched.memory_frames() == (10, 4)
    assert late.memory_frames() == (10, 50)  # equal ones by age
    assert late.scores == (1.0, 1.0)
    assert switched.frames == (0, 10, 4, *range(24, 30))
    assert switched.positions == (0, 0, 0, *range(3, 9))


def test_successor_takes_what_followed_the_frame_like_the_prompt() -> None:
    strategy = Successor(descriptor="prompt_keys", memory_latents=2)
    assert plans(strategy, View(KEYS, (0, 30)))[10].memory_frames() == (11, 12)


def test_ties_are_those_under_the_prompt_that_a_block_was_planned_for() -> None:
    strategy = by_prompt()
    plans(strategy, View(KEYS, (0, 30)))
    assert strategy.tied(27, (1, 2), (3, 5), 1e-3)
    assert not strategy.tied(27, (1, 2), (4, 5), 1e-3)
    assert not strategy.tied(75, (10, 50), (1, 50), 1e-3)


def test_a_number_of_newest_frames_does_not_fit_a_query_that_is_the_prompt() -> None:
    with pytest.raises(ConfigError, match="leave query_latents=2 out"):
        by_prompt(query_latents=2).reset(SPEC)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (None, "it returned a NoneType"),
        (torch.ones(1, 2), "it returned a Tensor"),
        (torch.ones(2), "has length 1.414"),
        (torch.full((2,), torch.nan), "The prompt 'from 0': .* not finite"),
    ],
)
def test_anything_but_a_unit_vector_of_a_prompt_is_refused(
    returned: object, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PromptKeys, "embed_prompt", lambda self, view: returned)
    with pytest.raises(LongtakeError, match=named) as caught:
        plans(by_prompt(), View({}))
    assert isinstance(caught.value, PluginError) or "finite" in named


def test_clip_compares_every_frame_with_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins: a frame is seen as its first two colours, a prompt read as the second."""

    def see(network: OpenClipImages, device: str) -> Callable[[Clip], np.ndarray]:
        step = network.frame_step
        return lambda clip: clip.frames_FHWC[::step, 0, 0, :2].astype(np.float32) / 255

    read = np.array([0, 1], np.float32)
    monkeypatch.setattr(TorchNetwork, "check", lambda self: None)
    monkeypatch.setattr(OpenClipImages, "load", see)
    monkeypatch.setattr(OpenClipText, "load", lambda self, device: lambda clip: read)
    encoder = ImageText(None)
    frames = torch.zeros(3, 4, 4, 3, dtype=torch.uint8)
    frames[0, ..., 0] = frames[1, ..., 1] = frames[2, ..., 0] = 255
    view = View({})
    view.frames = lambda: frames  # type: ignore[attr-defined]
    assert isinstance(encoder, EmbedsPrompts)
    assert (encoder.embed(frames) @ encoder.embed_prompt(view)).tolist() == [0, 1, 0]
    assert plans(Rag(descriptor="clip"), view)[13].memory_frames() == (1, 4, 7, 10, 13, 16)


def test_clip_says_what_is_missing() -> None:
    with pytest.raises(LongtakeError, match=r"is not installed; install it with|ViT-B-32"):
        ImageText(None)
    with pytest.raises(ConfigError, match=r"leave method\.checkpoint empty"):
        ImageText("x.pt")
