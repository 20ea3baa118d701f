"""The truth of a street agrees with its pixels, and a lap comes back to where it began."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.world.looks import COLOR_RGB, COLORS, PATTERNS, SHAPES
from backbones.world.street.actors import SIDE_PX
from backbones.world.street.draw import draw_script
from backbones.world.street.prompt import COUNTS
from backbones.world.street.render import render, render_frames
from backbones.world.street.scene import Street, draw_street
from backbones.world.street.script import FPS, GAP_PX, Script
from backbones.world.street.truth import RETURNED_SHARE, Truth
from harness.core.errors import ConfigError

_BLOCKS = 12


def _walk(seconds: float, count: str = "four", motion: str = "walking") -> Script:
    return Script.of_segments([(seconds, f"noon grassy {count} {motion}")])


@pytest.mark.parametrize("count", COUNTS)
def test_a_lap_later_the_picture_is_the_same(count: str) -> None:
    script = _walk(15.0, count)
    street = draw_street(script.num_figures, 3)
    lap_frames = script.lap_px // 2
    frames = torch.tensor([0, 1, 17])
    torch.testing.assert_close(
        render_frames(street, script, frames),
        render_frames(street, script, frames + lap_frames),
        rtol=0,
        atol=2e-3,
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.data())
def test_a_figure_is_seen_where_truth_says_and_nowhere_else(seed: int, data: st.DataObject) -> None:
    script = draw_script(_BLOCKS, seed)
    street = draw_street(script.num_figures, seed)
    number = data.draw(st.integers(0, script.num_figures - 1))
    frame = data.draw(st.integers(0, script.num_frames - 1))
    truth = Truth.of(street, script)
    here = truth.visible[frame, number]
    changed = _pixels_of(street, script, number, frame)
    figure = street.figures[number]
    x, y = truth.x_px[frame, number], truth.y_px[frame, number]
    rows, columns = changed.nonzero(as_tuple=True)
    if len(rows):
        assert float((columns - x).abs().max()) <= 2 * figure.radius_px
        assert float((rows - y).abs().max()) <= 2 * figure.radius_px
    whole_px = _size_px(street, number)
    # The outline has no colour of its own: of a square, a column of it is up to 9 % of the figure.
    assert changed.sum() / whole_px == pytest.approx(float(here), abs=0.1)


def test_a_figure_in_full_view_has_its_colors() -> None:
    script = _walk(9.0, "three")
    street = draw_street(3, 5)
    plain = PATTERNS.index("plain")
    figures = tuple(replace(figure, pattern=plain) for figure in street.figures)
    street = replace(street, figures=figures)
    truth = Truth.of(street, script)
    video = (render(street, script) + 1) / 2
    shown = 0
    for frame, number in (truth.visible > 0.999).nonzero().tolist():
        figure = street.figures[number]
        row, column = (round(float(p[frame, number])) for p in (truth.y_px, truth.x_px))
        second = torch.tensor(COLOR_RGB[COLORS[figure.second_color]])
        torch.testing.assert_close(video[frame, :, row, column], second, rtol=0, atol=1e-3)
        side = round(0.5 * figure.radius_px)
        first = torch.tensor(COLOR_RGB[COLORS[figure.color]])
        torch.testing.assert_close(video[frame, :, row - side, column], first, rtol=0, atol=0.02)
        shown += 1
    assert shown > 20


@pytest.mark.parametrize("count", COUNTS)
def test_walking_on_every_figure_returns_after_a_lap(count: str) -> None:
    script = _walk(30.0, count)
    truth = Truth.of(draw_street(script.num_figures, 1), script)
    lap_s = script.num_figures * GAP_PX / 2 / FPS
    returns = truth.returns
    assert {found.figure for found in returns} == set(range(script.num_figures))
    for found in returns:
        assert lap_s - (SIDE_PX + 40) / 2 / FPS < found.age_s < lap_s
        assert truth.visible[found.left_frame, found.figure] > 0
        assert truth.visible[found.return_frame, found.figure] >= RETURNED_SHARE
        gone = truth.visible[found.left_frame + 1 : found.return_frame, found.figure]
        assert gone[0] == 0 and bool((gone < RETURNED_SHARE).all())


def test_looking_up_takes_everything_out_of_view_and_gives_it_back() -> None:
    script = Script.of_segments(
        [
            (1.5, "noon grassy four standing"),
            (6.0, "noon grassy four gazing"),
            (3.0, "noon grassy four standing"),
        ]
    )
    truth = Truth.of(replace(draw_street(4, 2), start_px=0), script)
    (found,) = truth.returns
    assert found.figure == 0
    assert 5 < found.age_s < 7
    assert bool((truth.visible[5 * FPS] == 0).all())


def test_a_street_with_other_figures_than_the_script_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="names 4 figures, the street has 3"):
        Truth.of(draw_street(3, 0), _walk(3.0))


def test_streets_are_drawn_from_their_seed() -> None:
    street = draw_street(6, 7)
    assert street == draw_street(6, 7) != draw_street(6, 8)
    for figure in street.figures:
        assert figure.color != figure.second_color
        assert 0 <= figure.shape < len(SHAPES)


def _pixels_of(street: Street, script: Script, number: int, frame: int) -> torch.Tensor:
    """Pixels of a frame that change when a figure becomes all red instead of all white."""
    pictures = []
    for color in ("red", "white"):
        index = COLORS.index(color)
        figure = replace(street.figures[number], color=index, second_color=index)
        figures = list(street.figures)
        figures[number] = figure
        changed = replace(street, figures=tuple(figures))
        pictures.append(render_frames(changed, script, torch.tensor([frame]))[0])
    return (pictures[0] - pictures[1]).abs().amax(0) > 1e-4


def _size_px(street: Street, number: int) -> float:
    """Pixels of a figure in full view, its outline left out."""
    alone = replace(street, start_px=int((number + 0.5) * GAP_PX - SIDE_PX / 2) % street.lap_px)
    script = Script.of_segments(
        [(0.75, f"noon grassy {list(COUNTS)[len(street.figures) - 3]} standing")]
    )
    return float(_pixels_of(alone, script, number, 0).sum())
