"""The visitor and the game of cups: scripts they can't show, and truth that agrees with pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backbones.engine.script import Segment
from backbones.world.street.actors import actors, ball_place
from backbones.world.street.cups import LIFT_PX, PLACES_PX, SWAPS
from backbones.world.street.draw import draw_script
from backbones.world.street.prompt import Scene, StreetPrompt, num_words
from backbones.world.street.render import render_frames
from backbones.world.street.scene import draw_street
from backbones.world.street.script import Script
from backbones.world.street.stories import make_games, make_visits, moves_all
from backbones.world.street.truth import Truth
from backbones.world.street.visitor import AWAY_PX
from harness.core.errors import ConfigError

_BLOCKS = 24


def _script(cast: str, *motions: tuple[str, float]) -> Script:
    return Script.of_segments([(s, f"noon grassy {cast} {motion}") for motion, s in motions])


@pytest.mark.parametrize(
    ("cast", "motions", "message"),
    [
        ("visitor", [("away", 3)], "begins with 'staying', not 'away'"),
        ("visitor", [("staying", 3), ("another", 3)], r"At 3 s .*another.*while one is in view"),
        ("visitor", [("staying", 3), ("away", 0.75), ("first", 3)], "at least 1.5 s of 'away'"),
        ("visitor", [("staying", 3), *[("away", 1.5), ("another", 1.5)] * 8], "at most 8 visitors"),
        ("cups", [("resting", 3)], "begins with 'showing', not 'resting'"),
        ("cups", [("showing", 1.5), ("swapleft", 0.75)], "At 1.5 s .*while they are lifted"),
    ],
)
def test_a_script_that_a_scene_cannot_show_is_refused(
    cast: str, motions: list[tuple[str, float]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _script(cast, *motions)


def test_each_scene_has_its_words_and_a_model_those_up_to_its_scenes() -> None:
    with pytest.raises(ConfigError, match=r"slot 4 .motion.*staying, away, another, first"):
        StreetPrompt.parse("noon grassy visitor walking")
    assert StreetPrompt.parse("night mossy cups swapouter").scene is Scene.cups
    numbers = [num_words([scene]) for scene in Scene]
    assert numbers == sorted(numbers) and numbers[-1] == num_words(list(Scene))
    last = max(StreetPrompt.parse("night mossy six gazing").token_ids())
    assert last < numbers[0], "the words of the street come first, as in weights without scenes"


def test_visitors_come_as_the_script_says() -> None:
    motions = ("staying", "away", "another", "away", "first", "away", "staying", "away", "another")
    script = _script("visitor", *((motion, 3) for motion in motions))
    there = script.visitor.visitor[script.visitor.away_px == 0]
    assert torch.unique_consecutive(there).tolist() == [0, 1, 0, 2]
    truth = Truth.of(draw_street(script.num_figures, 0), script)
    assert [one.figure for one in truth.returns] == [0, 0]
    assert truth.returns[0].age_s > truth.returns[1].age_s > 2


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([Scene.visitor, Scene.cups]), st.data())
def test_what_is_visible_is_what_changes_the_picture(
    seed: int, scene: Scene, data: st.DataObject
) -> None:
    script = draw_script(_BLOCKS, seed, scene)
    street = draw_street(script.num_figures, seed)
    truth = Truth.of(street, script)
    number = 0 if scene is Scene.cups else data.draw(st.integers(0, 2))
    frame = data.draw(st.integers(0, script.num_frames - 1))
    figures = list(street.figures)
    figures[number] = replace(figures[number], color=8, second_color=9, pattern=0)
    assume(figures[number] != street.figures[number])
    changed = replace(street, figures=tuple(figures))
    at = torch.tensor([frame])
    differs = bool((render_frames(street, script, at) != render_frames(changed, script, at)).any())
    share = float(truth.visible[frame, number])
    assert differs or share < 0.1
    assert not differs or share > 0


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_ball_goes_with_its_cup_and_is_seen_only_below_lifted_ones(seed: int) -> None:
    script = draw_script(_BLOCKS, seed, Scene.cups)
    street = draw_street(script.num_figures, seed)
    truth, path = Truth.of(street, script), script.cups
    seen = truth.visible[:, 0]
    assert bool((seen[path.lift_px == LIFT_PX] == 1).all())
    assert float(seen[path.lift_px == 0].max()) < 1e-3
    place = ball_place(street, script)
    still = path.nearer_px.abs().amax(1) == 0
    columns = torch.tensor(PLACES_PX, dtype=torch.float)
    torch.testing.assert_close(truth.x_px[still, 0], columns[place[still]])
    for swap, before, after in _exchanges(script):
        left, right = SWAPS[swap]
        moved = {left: right, right: left}.get(int(place[before]), int(place[before]))
        assert int(place[after]) == moved


def _exchanges(script: Script) -> list[tuple[str, int, int]]:
    """Every exchange with its first frame and the one after it."""
    found, frame = [], 0
    for block in script.blocks:
        if block.motion in SWAPS and frame + block.num_frames + 1 < script.num_frames:
            found.append((block.motion, frame + 1, frame + block.num_frames + 1))
        frame += block.num_frames
    return found


def test_no_two_cups_can_be_told_apart() -> None:
    script = _script("cups", ("showing", 1.5), ("resting", 0.75))
    _, *cups = actors(draw_street(script.num_figures, 0), script, torch.tensor([0]))
    assert len({cup.figure for cup in cups}) == 1


@pytest.mark.parametrize("make", [make_visits, make_games])
def test_a_shorter_set_of_stories_begins_a_longer_one(
    make: Callable[[int, int], list[tuple[Segment, ...]]],
) -> None:
    assert make(3, 0) == make(6, 0)[:3] != make(3, 1)
    with pytest.raises(ConfigError, match="at least 1"):
        make(0, 0)
    for segments in make(8, 2):
        assert sum(one.seconds for one in segments) <= 30
        Script.of_segments([(one.seconds, one.prompt) for one in segments])


def test_each_visit_of_the_set_has_all_kinds_of_return() -> None:
    for segments in make_visits(8, 0):
        script = Script.of_segments([(one.seconds, one.prompt) for one in segments])
        motions = [shot.prompt.motion for shot in script.shots]
        assert "staying" in motions[1:] and "first" in motions[motions.index("another") :]
        assert int((script.visitor.away_px == AWAY_PX).sum()) > 0


def test_each_round_of_the_set_moves_the_ball_wherever_it_is() -> None:
    for segments in make_games(8, 0):
        script = Script.of_segments([(one.seconds, one.prompt) for one in segments])
        looks = (script.cups.lift_px == LIFT_PX).nonzero()[:, 0]
        places = torch.unique_consecutive(script.cups.place[looks], dim=0)
        assert len(places) > 2
        assert bool((places[1:] != places[:-1]).all())
    assert not moves_all(["swapleft"]) and moves_all(["swapleft", "swapright"])
