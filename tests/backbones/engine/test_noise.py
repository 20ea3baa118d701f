from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.engine.noise import SeededNoise

SHAPE = (3, 4, 8, 8)
PINNED = [-1.8078332, 0.2968074, 0.6034734, 0.6102319]  # seed 3, "dusk", block 2, step 1
keys = st.tuples(st.integers(0, 5), st.text(max_size=8), st.integers(0, 50), st.integers(0, 8))


@pytest.mark.slow
@given(st.lists(keys, min_size=1, max_size=6), st.randoms())
def test_noise_does_not_depend_on_the_order_of_draws(wanted: list, random) -> None:
    def draw(key: tuple) -> torch.Tensor:
        seed, prompt, block, step = key
        return SeededNoise(seed, prompt).draw(block, step, SHAPE)

    in_order = {key: draw(key) for key in wanted}
    shuffled = random.sample(wanted, len(wanted))
    assert all(torch.equal(draw(key), in_order[key]) for key in shuffled)


@pytest.mark.slow
@given(keys, keys)
def test_different_places_get_different_noise(one: tuple, other: tuple) -> None:
    same = torch.equal(
        SeededNoise(*one[:2]).draw(*one[2:], SHAPE), SeededNoise(*other[:2]).draw(*other[2:], SHAPE)
    )
    assert same == (one == other)


def test_noise_is_standard_normal_and_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    noise = SeededNoise(0, "x").draw(0, 0, (3, 16, 64, 64))
    assert torch.equal(before, torch.get_rng_state())
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 1) < 0.01


def test_noise_is_the_same_in_every_release() -> None:
    drawn = SeededNoise(3, "dusk").draw(2, 1, (1, 1, 4, 4)).flatten()[:4]
    torch.testing.assert_close(drawn, torch.tensor(PINNED), rtol=0, atol=1e-6)
