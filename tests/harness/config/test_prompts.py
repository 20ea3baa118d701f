from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backbones.engine.script import Segment
from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.script import Script
from harness.config.prompts import PromptSet, PromptSettings, load_prompts
from harness.core.errors import LongtakeError
from harness.core.registry import Registry


def load(source: object, **settings: object) -> PromptSet:
    return load_prompts("set", PromptSettings(source=str(source), **settings))


def test_the_shipped_scenes_are_32_detailed_prompts_with_short_ones_for_evaluation() -> None:
    prompts = load("scenes").prompts
    assert len(prompts) == 32
    assert len({prompt.text for prompt in prompts}) == 32
    for prompt in prompts:
        assert 40 <= len(prompt.text.split()) <= 90
        assert 4 <= len(prompt.evaluation_text.split()) <= 20
        assert prompt.text.isascii()


def test_the_shipped_scenes_have_not_changed() -> None:
    """A changed set needs a new name, since results under the old one remain."""
    expected = "745391a7e39e3e810ff2140e066970d1c56633b2f0165d60fcb45bfa7f326ab5"
    assert load("scenes").sha256 == expected


def test_text_and_json_lines_of_the_same_prompts_are_the_same_set(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffa fox\r\n\r\n  a boat \n", encoding="utf-8")
    lines = [{"id": number, "prompt": text} for number, text in enumerate(("a fox", "a boat"))]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    texts, objects = load(tmp_path / "a.txt"), load(tmp_path / "a.jsonl")
    assert [prompt.text for prompt in texts.prompts] == ["a fox", "a boat"]
    assert texts.sha256 == objects.sha256


def test_evaluation_prompts_come_from_the_same_file_or_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("a red fox in deep snow\na boat on a wide river\n")
    (tmp_path / "short.txt").write_text("a fox\na boat\n")
    lines = [
        {"id": "fox", "prompt": "a red fox in deep snow", "evaluation_prompt": "a fox"},
        {"id": "boat", "prompt": "a boat on a wide river", "evaluation_prompt": "a boat"},
    ]
    (tmp_path / "both.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    beside = load(tmp_path / "long.txt", evaluation=str(tmp_path / "short.txt"))
    assert [prompt.evaluation_text for prompt in beside.prompts] == ["a fox", "a boat"]
    assert beside.sha256 == load(tmp_path / "both.jsonl").sha256
    assert beside.sha256 != load(tmp_path / "long.txt").sha256
    first = load(tmp_path / "long.txt", evaluation=str(tmp_path / "short.txt"), num=1)
    assert len(first.prompts) == 1


@pytest.mark.parametrize(
    ("source", "evaluation", "message"),
    [
        ("two.txt", "one.txt", "1 evaluation prompts for the 2 prompts"),
        ("scenes", "one.txt", "goes with a .txt file"),
        ("two.txt", "gone.txt", "gone.txt' can't be read"),
        ("empty.jsonl", None, "line 1: .*the prompt is empty"),
        ("list.jsonl", None, "line 1: .*Expected an object with id and prompt"),
        ("twice.jsonl", None, "two prompts have the same id"),
        ("scene", None, "neither a shipped set or generator"),
    ],
)
def test_prompts_that_do_not_fit_are_refused(tmp_path, monkeypatch, source, evaluation, message):
    monkeypatch.chdir(tmp_path)
    Path("two.txt").write_text("a\nb\n")
    Path("one.txt").write_text("a\n")
    Path("empty.jsonl").write_text('{"id": 1, "prompt": " "}')
    Path("list.jsonl").write_text("[1]")
    Path("twice.jsonl").write_text('{"id": 1, "prompt": "a"}\n{"id": 1, "prompt": "b"}')
    with pytest.raises(LongtakeError, match=message):
        load(source, evaluation=evaluation)


def write_lines(path: Path, *items: object) -> Path:
    path.write_text("\n".join(json.dumps(item) for item in items))
    return path


FOX = {"seconds": 10, "prompt": "a red fox in deep snow", "evaluation_prompt": "a fox"}
BOAT = {"seconds": 5.5, "prompt": "a boat on a wide river"}


def test_an_item_may_hold_segments(tmp_path: Path) -> None:
    items = {"id": "a", "segments": [FOX, BOAT]}, {"id": "b", "prompt": "a boat"}
    script, plain = load(write_lines(tmp_path / "mixed.jsonl", *items)).prompts
    assert [segment.seconds for segment in script.segments] == [10, 5.5]
    assert [segment.prompt for segment in script.segments] == [FOX["prompt"], BOAT["prompt"]]
    texts = [segment.evaluation_text for segment in script.segments]
    assert texts == ["a fox", "a boat on a wide river"]
    assert (script.text, script.evaluation_text) == ("a red fox in deep snow", "a fox")
    assert plain.segments == ()


def test_a_script_of_one_segment_is_a_plain_prompt(tmp_path: Path) -> None:
    one = load(write_lines(tmp_path / "one.jsonl", {"id": "0001", "segments": [BOAT]}))
    (tmp_path / "plain.txt").write_text(BOAT["prompt"])
    plain = load(tmp_path / "plain.txt")
    assert (one.prompts, one.sha256) == (plain.prompts, plain.sha256)


def test_every_word_and_every_second_of_a_script_is_in_the_hash(tmp_path: Path) -> None:
    def sha256(*segments: object) -> str:
        return load(
            write_lines(tmp_path / "a.jsonl", {"id": "a", "segments": list(segments)})
        ).sha256

    versions = [
        sha256(FOX, BOAT),
        sha256(FOX, BOAT | {"seconds": 6}),
        sha256(FOX, BOAT | {"prompt": "a boat"}),
        sha256(FOX, BOAT | {"evaluation_prompt": "a boat"}),
        sha256(FOX, BOAT, BOAT),
    ]
    assert len(set(versions)) == len(versions)
    assert sha256(FOX | {"seconds": 10.0}, BOAT) == versions[0]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "line 1: segments is empty"),
        ([FOX, {"seconds": 0, "prompt": "b"}], r"above 0, got 0 at `segments\[1\]`"),
        ([FOX, {"seconds": -1, "prompt": "b"}], r"segments\[1\]"),
        ([FOX, {"seconds": "5", "prompt": "b"}], r"`float`, got `str` at `segments\[1\].seconds"),
        ([FOX, {"seconds": True, "prompt": "b"}], r"segments\[1\].seconds"),
        ([FOX, {"prompt": "b"}], "missing required field `seconds`"),
        ([FOX, {"seconds": 5}], "missing required field `prompt`"),
        ([FOX, {"seconds": 5, "prompt": " "}, BOAT], "the prompt is empty"),
        ([FOX, {"seconds": 5, "prompts": "b"}], r"segments\[1\].*'prompts'. Did you mean 'prompt'"),
        ([FOX, "b"], r"segments\[1\]"),
        ({"seconds": 5}, "`segments`"),
        (None, "`segments`"),
    ],
)
def test_segments_that_do_not_fit_are_refused(tmp_path, segments, message) -> None:
    path = write_lines(tmp_path / "s.jsonl", {"id": "a", "segments": segments})
    with pytest.raises(LongtakeError, match=r"s\.jsonl, line 1") as refusal:
        load(path)
    assert re.search(message, str(refusal.value)), refusal.value


def test_a_prompt_beside_segments_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "s.jsonl", {"id": "a", "prompt": "b", "segments": [FOX]})
    with pytest.raises(LongtakeError, match="line 1: an item has either prompt or segments"):
        load(path)


def test_a_generator_may_return_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (Segment(5, "a fox"), Segment(5, "a boat"))
    monkeypatch.setattr(Registry, "load", lambda *_: lambda num, seed: [script, "a boat"][:num])
    first, second = load("street", num=2).prompts
    assert (first.segments, first.text, second.segments) == (script, "a fox", ())


def test_walks_under_changing_skies_change_nothing_else() -> None:
    walks = load("street_skies")
    assert walks.sha256 == "29e36de252e7468a8d267bb9a268f3006a8ddae878c233c15f0d2cc0509a20ce"
    assert load("street_skies", num=3).prompts == walks.prompts[:3]
    assert [prompt.text for prompt in walks.prompts] == [p.text for p in load("street").prompts]
    for prompt in walks.prompts:
        Script.of_segments([(segment.seconds, segment.prompt) for segment in prompt.segments])
        first, second, third = (StreetPrompt.parse(one.prompt) for one in prompt.segments)
        assert first.sky != second.sky != third.sky
        assert first == replace(second, sky=first.sky) == replace(third, sky=first.sky)


def test_interactive_scripts_change_one_thing_at_a_time_and_return() -> None:
    scripts = load("interactive", num=160)
    assert scripts.sha256 == "c496787d4836a5a0c97c1302314d12c9e4fef6e88268d8eb03716010118250ae"
    for prompt in scripts.prompts:
        segments = prompt.segments
        assert [segment.seconds for segment in segments] == [10] * 6
        # The subject and where it is, word by word; the fifth segment is elsewhere.
        scenes = [segment.prompt.partition(". ")[0] for segment in segments]
        home, away = scenes[0], scenes[4]
        assert scenes == [home] * 4 + [away, home]
        look = home.rpartition(", ")[0].rpartition(", ")[0]
        assert away.startswith(look)
        assert home != away
        assert len({segment.prompt for segment in segments}) == 6
    assert len({prompt.text for prompt in scripts.prompts}) == 160
    assert load("interactive", num=5).prompts == scripts.prompts[:5]
    assert load("interactive", num=5, seed=1).prompts != scripts.prompts[:5]


def test_returns_tell_the_looks_once_and_come_back() -> None:
    scripts = load("returns", num=16)
    assert scripts.sha256 == "2fd4fa2e12b323b82dfe66e8422ac80c163a6565748bb3bd1d3b528ea0a8e3b6"
    for prompt in scripts.prompts:
        first, between, again = prompt.segments
        assert first.evaluation_text == again.evaluation_text != between.evaluation_text
        look = first.prompt.partition(" with ")[2].partition(",")[0]
        assert not look or look not in again.prompt
    assert [prompt.segments[1].seconds for prompt in scripts.prompts] == [10, 10, 20, 20] * 4
    assert load("returns", num=3).prompts == scripts.prompts[:3]
