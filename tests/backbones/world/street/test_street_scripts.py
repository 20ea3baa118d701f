"""Prompts and scripts of the street, and the camera that follows from them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.world.looks import SKIES
from backbones.world.street.draw import draw_script
from backbones.world.street.prompt import SPEED_PX, VOCABULARY, StreetPrompt
from backbones.world.street.script import (
    BLOCK_LATENTS,
    FRAMES_PER_LATENT,
    TILT_PX,
    Script,
    Shot,
)
from harness.core.errors import ConfigError

_FRAMES_PER_BLOCK = BLOCK_LATENTS * FRAMES_PER_LATENT


def test_a_prompt_reads_back_and_names_its_words() -> None:
    prompt = StreetPrompt.parse(" dusk  snowy six returning")
    assert str(prompt) == "dusk snowy six returning"
    assert prompt.num_figures == 6
    assert [VOCABULARY[index] for index in prompt.token_ids()] == list(prompt.words())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noon grassy four", "4 words .*got 3"),
        ("noon grassy four standin", "slot 4 .motion.*'standing'"),
        ("noon grassy seven walking", "three, four, five, six"),
    ],
)
def test_a_prompt_outside_the_grammar_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StreetPrompt.parse(text)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "at least one shot"),
        ([(1.0, "noon grassy four walking")], "whole number of blocks"),
        ([(0.0, "noon grassy four walking")], "no block"),
        (
            [(3.0, "noon grassy four walking"), (3.0, "noon grassy five walking")],
            "cannot change its cast",
        ),
        (
            [(3.0, "noon grassy four walking"), (3.0, "noon sandy four walking")],
            "cannot change its land",
        ),
    ],
)
def test_a_script_the_street_cannot_show_is_refused(
    segments: list[tuple[float, str]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Script.of_segments(segments)


def test_the_camera_walks_looks_up_and_comes_back() -> None:
    script = Script.of_segments(
        [
            (3.0, "noon grassy four walking"),
            (1.5, "noon grassy four gazing"),
            (1.5, "night grassy four returning"),
        ]
    )
    path = script.path
    assert script.num_frames == len(path.x_px) == 8 * _FRAMES_PER_BLOCK - FRAMES_PER_LATENT + 1
    # The first latent frame shows one frame instead of four, so the first shot is three shorter.
    walked = 4 * _FRAMES_PER_BLOCK - FRAMES_PER_LATENT
    assert path.x_px[walked] == 2 * walked
    assert path.x_px[-1] == 2 * walked - 2 * 2 * _FRAMES_PER_BLOCK
    up = walked + 2 * _FRAMES_PER_BLOCK
    assert path.tilt_px[up] == TILT_PX and path.tilt_px[walked] == path.tilt_px[-1] == 0
    assert path.sky[up, SKIES.index("noon")] == path.sky[-1, SKIES.index("night")] == 1


@given(st.integers(), st.integers(1, 30))
def test_a_random_script_has_its_length_and_moves_as_its_prompts_say(
    seed: int, num_blocks: int
) -> None:
    script = draw_script(num_blocks, seed)
    assert len(script.prompts) == num_blocks
    assert script == draw_script(num_blocks, seed)
    steps = script.path.x_px.diff().tolist()
    expected = [
        SPEED_PX[prompt.motion] for prompt in script.prompts for _ in range(_FRAMES_PER_BLOCK)
    ]
    assert steps == expected[FRAMES_PER_LATENT:]
    torch.testing.assert_close(script.path.sky.sum(1), torch.ones(script.num_frames))


def test_shots_are_joined_block_by_block() -> None:
    first = StreetPrompt.parse("noon grassy four walking")
    second = StreetPrompt.parse("noon grassy four standing")
    assert Script((Shot(first, 2), Shot(second, 1))).prompts == (first, first, second)
