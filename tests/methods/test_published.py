"""Methods of other papers against plans made by hand from their descriptions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.core.errors import ConfigError
from methods import METHODS
from methods.base import ContextPlan, MemoryStrategy, Role, SeesModel, checked_plan, reachable
from methods.published.deep_sink import DeepSink
from methods.published.infinity_rope import InfinityRope
from methods.published.relax import Relax
from methods.published.rolling_sink import RollingSink
from methods.sliding_window import SlidingWindow
from tests.methods.test_strategies import SPEC

ROOT = Path(__file__).parents[2]
PUBLISHED = {
    name: entry.target
    for name, entry in METHODS.entries().items()
    if entry.target.startswith("methods.published.")
}


class View:
    """A view of the keys given for each frame, and of segments that begin at `starts`."""

    def __init__(self, keys: dict[int, list[float]], starts: tuple[int, ...] = (0,)) -> None:
        self._keys, self._starts = keys, starts
        self.at = 0

    def segment(self) -> SimpleNamespace:
        return SimpleNamespace(first_frame=max(s for s in self._starts if s <= self.at))

    def mean_keys(self) -> torch.Tensor:
        frames = range(self.at, self.at + 3)
        return torch.tensor([self._keys.get(frame, [1.0, 0.0]) for frame in frames])[:, None]


def plans(strategy: MemoryStrategy, view: View | None = None, spec=SPEC) -> list[ContextPlan]:
    """All plans of a rollout, checked as the engine checks them."""
    strategy.reset(spec)
    view = view or View({})
    if isinstance(strategy, SeesModel):
        strategy.attach(view)
    made = []
    for first_frame in range(0, spec.num_latents, 3):
        view.at = first_frame
        made.append(checked_plan(strategy.plan(first_frame), strategy, first_frame, spec))
        assert set(made[-1].frames) <= set(reachable(strategy, first_frame))
        strategy.observe(torch.zeros(3, *spec.latent_shape), first_frame)
    return made


def in_a_row(plan: ContextPlan) -> bool:
    """Tell if positions count on from 0 over context and block."""
    return (*plan.positions, *plan.query_positions) == tuple(range(len(plan.frames) + 3))


def test_infinity_rope_keeps_a_window_of_six_with_one_sink() -> None:
    plan = plans(InfinityRope())[20]
    assert plan.frames == (0, 58, 59)
    assert plan.roles == (Role.sink, Role.local, Role.local)
    assert in_a_row(plan)


def test_infinity_rope_flushes_all_but_sink_and_last_frame_at_a_switch() -> None:
    made = plans(InfinityRope(window_latents=12), View({}, (0, 30)))
    assert made[9].frames == (0, *range(19, 27))
    assert made[10].frames == (0, 29)
    assert made[11].frames == (0, *range(29, 33))
    assert made[13].frames == (0, *range(31, 39))
    assert all(map(in_a_row, made))


def test_infinity_rope_of_the_whole_budget_is_the_sliding_window() -> None:
    assert plans(InfinityRope(window_latents=12)) == plans(SlidingWindow())


def test_deep_sink_keeps_ten_of_sixteen() -> None:
    made = plans(DeepSink(), spec=replace(SPEC, budget_latents=16))
    assert made[20].frames == (*range(10), 57, 58, 59)
    assert in_a_row(made[20])
    assert plans(DeepSink())[20].frames == (*range(7), 58, 59)


def test_rolling_sink_plays_the_beginning_forward_and_backward() -> None:
    made = plans(RollingSink())
    assert made[3].frames == tuple(range(9))
    assert made[4].frames == (*range(3, 9), 9, 10, 11)
    # Blocks 9 and 12 hold the first backward slices, block 18 begins forward again.
    assert made[6].frames == (8, 7, 6, 5, 4, 3, 15, 16, 17)
    assert made[7].frames == (5, 4, 3, 2, 1, 0, 18, 19, 20)
    assert made[8].frames == (2, 1, 0, 0, 1, 2, 21, 22, 23)
    assert all(map(in_a_row, made))


def test_rolling_sink_of_the_authors_window_is_as_their_code_prints() -> None:
    """Their code replaces block s by frames s % 18 on; backward from 18 - s % 18 down."""
    made = plans(RollingSink(), spec=replace(SPEC, budget_latents=21))
    slices = [made[14].frames[place : place + 3] for place in range(0, 15, 3)]
    assert slices == [(11, 10, 9), (8, 7, 6), (5, 4, 3), (2, 1, 0), (0, 1, 2)]
    assert made[14].frames[15:] == (39, 40, 41)


def test_relax_takes_the_candidate_like_the_sink_and_unlike_the_newest() -> None:
    keys = {59: [0.0, 1.0], 37: [0.9, 0.1], 30: [0.9, 0.1]}
    keys |= {frame: [0.3, 1.0] for frame in (44, 51, 58)}
    plan = plans(Relax(), View(keys))[20]
    # Of 2..58 the later half is 30..58, of which 30, 39, 48 and 58 are compared.
    assert plan.frames == (0, 1, 39, 59)
    assert plan.roles == (Role.sink, Role.sink, Role.memory, Role.local)
    assert in_a_row(plan)
    keys |= {39: [0.0, 1.0], 48: [0.0, 1.0]}
    assert plans(Relax(), View(keys))[20].frames == (0, 1, 30, 59)


def test_relax_looks_back_no_further_than_its_reservoir() -> None:
    made = plans(Relax(reservoir_latents=20))
    assert all(plan.frames[2] >= 3 * block - 20 for block, plan in enumerate(made) if block > 1)


@pytest.mark.parametrize(
    "strategy",
    [InfinityRope(13), InfinityRope(4), DeepSink(0.8), DeepSink(-1), Relax(candidates=1)],
)
def test_numbers_that_do_not_fit_are_refused_before_the_rollout(strategy: MemoryStrategy) -> None:
    with pytest.raises(ConfigError):
        strategy.reset(SPEC)


def test_rolling_sink_refuses_a_budget_without_whole_blocks() -> None:
    for budget in (7, 8, 13):
        with pytest.raises(ConfigError, match="three whole blocks"):
            RollingSink().reset(replace(SPEC, budget_latents=budget))


def test_the_table_of_methods_is_complete_and_true() -> None:
    """Each method is one file of at most 60 lines; docs/methods.md gives its length."""
    text = (ROOT / "docs" / "methods.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", text, re.MULTILINE))
    lengths = {}
    for name, target in PUBLISHED.items():
        path = ROOT / (target.partition(":")[0].replace(".", "/") + ".py")
        lengths[name] = len(path.read_text().splitlines())
    assert {name: int(lines) for name, lines in listed.items()} == lengths
    assert max(lengths.values()) <= 60
