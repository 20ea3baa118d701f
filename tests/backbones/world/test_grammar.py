from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backbones.tiny
from backbones.world.grammar import (
    COLORS,
    EXAMPLE,
    LANDS,
    SECOND_COLORS,
    SKIES,
    SLOTS,
    TOKEN_IDS,
    VOCABULARY,
    ScenePrompt,
)
from backbones.world.palette import COLOR_RGB, LAND_RGB, SKY_RGB
from harness.core.errors import LongtakeError

sentences = st.tuples(*(st.sampled_from(words) for words in SLOTS.values())).filter(
    lambda words: words[3] != f"{words[2]}ish"
)


@given(sentences)
def test_text_and_prompt_convert_into_each_other(words):
    prompt = ScenePrompt(*words)
    assert ScenePrompt.parse(str(prompt)) == prompt
    assert str(prompt).split() == list(words)


@given(sentences)
def test_token_ids_stand_for_the_words(words):
    ids = ScenePrompt(*words).token_ids()
    assert all(0 < token < len(VOCABULARY) for token in ids)
    assert tuple(VOCABULARY[token] for token in ids) == words


def test_vocabulary_and_slots_are_those_of_the_weights():
    config = json.loads((Path(backbones.tiny.__path__[0]) / "data" / "config.json").read_text())
    assert list(VOCABULARY) == config["vocabulary"]
    assert len(TOKEN_IDS) == len(VOCABULARY)
    for slot in set(SLOTS) - {"second_color"}:
        assert list(SLOTS[slot]) == config["grammar"][slot]


def test_every_word_of_the_grammar_has_its_color():
    assert (tuple(SKY_RGB), tuple(LAND_RGB), tuple(COLOR_RGB)) == (SKIES, LANDS, COLORS)


def test_white_space_between_words_does_not_matter():
    assert str(ScenePrompt.parse(f"  {EXAMPLE.replace(' ', '   ')}\n")) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "slot", "hint"),
    [
        ("dusk grasy blue yellowish striped ball drifting", "slot 2 (land)", "'grassy'"),
        ("dusk grassy blue yellow striped ball drifting", "slot 4 (second_color)", "'yellowish'"),
        ("Dusk grassy blue yellowish striped ball drifting", "slot 1 (sky)", "'dusk'"),
        ("dusk grassy blue yellowish ball striped drifting", "slot 5 (pattern)", "slot 6 (shape)"),
        ("dusk grassy blue yellowish striped ball", "slot 7 (motion)", "hopping"),
        ("", "slot 1 (sky)", "night"),
        (f"{EXAMPLE} slowly", "slot 7 (motion)", "'slowly'"),
    ],
)
def test_a_sentence_outside_the_grammar_names_slot_and_remedy(text, slot, hint):
    with pytest.raises(LongtakeError) as caught:
        ScenePrompt.parse(text)
    message = str(caught.value)
    assert slot in message
    assert hint in message
    assert EXAMPLE in message
    assert "\n" not in message


def test_an_unknown_word_lists_all_choices_of_its_slot():
    with pytest.raises(LongtakeError) as caught:
        ScenePrompt.parse("dusk grassy blue yellowish striped ball flying")
    assert "drifting, rushing, pacing, hopping" in str(caught.value)


def test_a_long_foreign_prompt_gives_a_short_message():
    with pytest.raises(LongtakeError) as caught:
        ScenePrompt.parse("x" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("color", COLORS)
def test_equal_colors_are_refused_with_the_reason(color):
    with pytest.raises(LongtakeError, match="never saw equal") as caught:
        ScenePrompt.parse(f"dusk grassy {color} {color}ish striped ball drifting")
    choices = str(caught.value).split("one of: ")[1]
    assert [word for word in SECOND_COLORS if word not in choices] == [f"{color}ish"]


def test_grammar_and_prompt_sets_do_not_import_torch():
    code = "import sys, backbones.world.prompts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
