from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.world.grammar import SLOTS
from backbones.world.prompts import grammar_size, make_prompts
from harness.core.errors import LongtakeError

FIRST_PROMPTS = [
    "noon mossy teal pinkish plain box pacing",
    "dusk volcanic pink orangeish halved kite rushing",
]


def spread(prompts, slot):
    """Difference of the most and the least frequent word of a slot."""
    counts = Counter(getattr(prompt, slot) for prompt in prompts)
    counts.update(dict.fromkeys(SLOTS[slot], 0))
    return max(counts.values()) - min(counts.values())


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 400), st.integers(-5, 1000))
def test_prompts_are_distinct_and_every_word_is_about_equally_frequent(num, seed):
    prompts = make_prompts(num, seed)
    assert len(set(prompts)) == len(prompts) == num
    for slot in SLOTS:
        assert spread(prompts, slot) <= (2 if slot == "second_color" else 1)


def test_a_shorter_set_begins_a_longer_one():
    assert make_prompts(50, seed=3)[:7] == make_prompts(7, seed=3)


def test_seeds_give_different_sets():
    sets = {tuple(make_prompts(8, seed)) for seed in (-1, 0, 1, 2)}
    assert len(sets) == 4


def test_prompts_do_not_depend_on_the_hash_seed_of_the_process():
    code = "from backbones.world.prompts import make_prompts; print(*make_prompts(20, 7), sep=',')"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert outputs == {",".join(map(str, make_prompts(20, 7))) + "\n"}


def test_first_prompts_of_seed_0_stay_the_same():
    assert [str(prompt) for prompt in make_prompts(2, seed=0)] == FIRST_PROMPTS


def test_grammar_size_counts_the_sentences():
    words = product(*SLOTS.values())
    assert grammar_size() == sum(second != f"{color}ish" for _, _, color, second, *_ in words)


@pytest.mark.slow
def test_the_whole_grammar_and_nearly_all_of_it_can_be_drawn():
    size = grammar_size()
    for num in (size, size - 1000):
        prompts = make_prompts(num, seed=0)
        assert len(set(prompts)) == num
        assert all(spread(prompts, slot) <= 2 for slot in SLOTS)


@pytest.mark.parametrize("excess", [1, 1000])
def test_more_prompts_than_the_grammar_has_are_refused(excess):
    with pytest.raises(LongtakeError, match=f"from 1 to {grammar_size()}"):
        make_prompts(grammar_size() + excess, seed=0)


@pytest.mark.parametrize("num", [0, -3])
def test_fewer_than_one_prompt_is_refused(num):
    with pytest.raises(LongtakeError, match=f"Cannot draw {num} "):
        make_prompts(num, seed=0)
