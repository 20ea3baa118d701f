"""Methods of other papers against plans made by hand from their descriptions."""

from __future__ import annotations

import re
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.core.errors import ConfigError
from methods import METHODS
from methods.base import (
    ContextPlan,
    MemoryStrategy,
    Pass,
    Role,
    RopeScheme,
    SeesModel,
    checked_plan,
    reachable,
)
from methods.merge_controls import MergedSink, RandomMerge
from methods.published.deep_forcing import DeepForcing
from methods.published.deep_sink import DeepSink
from methods.published.ema_sink import EmaSink
from methods.published.fademem import FadeMem
from methods.published.head_split import HeadSplit
from methods.published.infinity_rope import InfinityRope
from methods.published.memflow import MemFlow
from methods.published.memrope import MemRope
from methods.published.relax import Relax
from methods.published.rolling_sink import RollingSink
from methods.published.tethercache import TetherCache
from methods.sliding_window import SlidingWindow
from methods.virtual import Operation
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
        start = max(s for s in self._starts if s <= self.at)
        return SimpleNamespace(first_frame=start, prompt=f"from {start}")

    def mean_text_keys(self) -> torch.Tensor:
        """Give the prompt of the first segment another direction than that of the others."""
        return torch.tensor([[1.0, 0.0] if self.segment().first_frame == 0 else [0.0, 1.0]])

    def mean_queries(self) -> torch.Tensor:
        return torch.tensor([[[1.0, 0.0]]] * 3)

    def attention_mass(self, taken: Pass) -> torch.Tensor:
        """Give head h of layer l the mass h on the block, of four, and l on the sink."""
        mass = torch.full((3, 4, 12), 0.1)
        mass[..., -3:] += torch.arange(4)[None, :, None]
        mass[..., 0] += torch.arange(3)[:, None]
        return mass

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
        view.at = first_frame  # planned, then observed
        made.append(checked_plan(strategy.plan(first_frame), strategy, first_frame, spec))
        assert set(made[-1].past_frames()) <= set(reachable(strategy, first_frame))
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
    [
        InfinityRope(13),
        InfinityRope(4),
        DeepSink(0.8),
        DeepSink(-1),
        Relax(candidates=1),
        MemFlow(bank_latents=6),
    ],
)
def test_numbers_that_do_not_fit_are_refused_before_the_rollout(strategy: MemoryStrategy) -> None:
    with pytest.raises(ConfigError):
        strategy.reset(SPEC)


@pytest.mark.parametrize("budget", [4, 6, 9, 12, 15])
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_what_reset_accepts_has_plans_to_the_end(name: str, budget: int) -> None:
    """Plans are checked as the engine does: what does not fit must be refused before a rollout."""
    kind, accepted = METHODS.load(name), 0
    spec = replace(SPEC, budget_latents=budget, layers=3, heads=4)
    for sink in range(budget):
        given = {"sink_latents": sink} if "sink_latents" in signature(kind).parameters else {}
        try:
            kind(**given).reset(spec)
        except ConfigError:
            continue
        accepted += 1
        assert plans(kind(**given), spec=spec)
    assert accepted or budget < 12


def test_head_split_is_refused_at_absolute_positions() -> None:
    with pytest.raises(ConfigError, match="rope=relative"):
        HeadSplit(rope=RopeScheme.absolute).reset(SPEC)


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


def writes_of(plan: ContextPlan) -> list[tuple[int, tuple[int, ...], list[float]]]:
    """Slot, sources and rounded weights of each write."""
    return [(w.slot, w.sources, [round(x, 6) for x in w.weights]) for w in plan.writes]


def test_ema_sink_takes_a_thousandth_of_each_evicted_frame() -> None:
    made = plans(EmaSink())
    assert made[1].frames == (-1, -2, -3)
    assert writes_of(made[1]) == [(-1, (0,), [1]), (-2, (1,), [1]), (-3, (2,), [1])]
    assert made[3].frames == (-1, -2, -3, *range(3, 9))
    assert not made[3].writes
    assert made[20].frames == (-1, -2, -3, *range(54, 60))
    assert writes_of(made[20]) == [
        (-1, (-1, 51), [0.999, 0.001]),
        (-2, (-2, 52), [0.999, 0.001]),
        (-3, (-3, 53), [0.999, 0.001]),
    ]
    assert all(map(in_a_row, made))


def test_memrope_keeps_three_sink_two_averages_and_four_recent() -> None:
    made = plans(MemRope())
    assert made[3].frames == tuple(range(9))
    assert made[4].frames == (0, 1, 2, -1, -2, 8, 9, 10, 11)
    third = [0.333333] * 3
    assert writes_of(made[4]) == [(-1, (5, 6, 7), third), (-2, (5, 6, 7), third)]
    assert made[20].frames == (0, 1, 2, -1, -2, *range(56, 60))
    assert writes_of(made[20]) == [
        (-1, (-1, 53, 54, 55), [0.99, *[0.003333] * 3]),
        (-2, (-2, 53, 54, 55), [0.9, *[0.033333] * 3]),
    ]
    assert {write.operation for plan in made for write in plan.writes} == {Operation.pooled}
    assert all(map(in_a_row, made))


def test_fademem_merges_the_neighbours_whose_warped_ages_are_closest() -> None:
    """At frame 12 neighbours of ages 12 and 11, 11 and 10, ... differ least at the old end."""
    made = plans(FadeMem())
    assert made[3].frames == tuple(range(9))
    assert made[3].positions == tuple(range(9))
    # Frame 9: 0 takes up 1. Frame 10: 2 3 merge, as 0 2 are 2 apart. Frame 11: 4 5.
    assert made[4].frames == (0, -1, -2, 6, 7, 8, 9, 10, 11)
    assert writes_of(made[4]) == [(-1, (2, 3), [0.5, 0.5]), (-2, (4, 5), [0.5, 0.5])]
    assert made[4].positions == (0, 2, 4, *range(6, 12))
    assert made[4].query_positions == (12, 13, 14)


def test_full_fademem_is_dense_near_and_sparse_far_in_a_range_of_21() -> None:
    made = plans(FadeMem())
    for plan in made[6:]:
        assert plan.positions[0] == 0
        assert plan.positions[-3:] == (15, 16, 17)
        assert plan.query_positions == (18, 19, 20)
        assert list(plan.positions) == sorted(set(plan.positions))
        assert plan.frames[0] == 0
    assert made[-1].frames[-1] == 116
    assert sum(frame < 0 for frame in made[-1].frames) == 7


def test_random_merges_depend_on_the_seed() -> None:
    one, again, other = (
        [plan.writes for plan in plans(RandomMerge(), spec=replace(SPEC, seed=seed))]
        for seed in (0, 0, 1)
    )
    assert one == again != other


def test_a_merged_sink_is_the_sliding_window_with_the_mean_of_the_first_block() -> None:
    made, window = plans(MergedSink()), plans(SlidingWindow())
    assert [plan.frames[1:] for plan in made] == [plan.frames[1:] for plan in window]
    assert [plan.positions for plan in made] == [plan.positions for plan in window]
    assert writes_of(made[1]) == [(-1, (0, 1, 2), [0.333333] * 3)]
    assert not any(plan.writes for plan in made[2:])


def test_deep_forcing_keeps_the_two_evicted_frames_that_queries_like_best() -> None:
    keys = {20: [9.0, 0.0], 31: [5.0, 0.0], 32: [7.0, 0.0]}
    made = plans(DeepForcing(), View(keys))
    assert made[3].frames == tuple(range(9))
    assert 20 in made[8].frames
    assert made[11].frames == (*range(6), 20, 31, 32)
    assert made[12].frames == (*range(6), 20, 32, 35)
    assert all(map(in_a_row, made))


def test_deep_forcing_chooses_no_frame_more_than_seven_times() -> None:
    made = plans(DeepForcing(), View({20: [9.0, 0.0]}))
    assert sum(20 in plan.memory_frames() for plan in made) == 7


def test_deep_forcing_of_the_authors_budget_has_their_sizes() -> None:
    roles = plans(DeepForcing(), spec=replace(SPEC, budget_latents=16))[20].roles
    assert [roles.count(role) for role in (Role.sink, Role.memory, Role.local)] == [10, 2, 1]


def test_tethercache_styles_the_frames_that_win_a_place_like_the_trusted_ones() -> None:
    made = plans(TetherCache())
    assert made[2].frames == (0, 1, 2, -5, -4, 5)
    assert [(w.slot, w.sources, w.towards) for w in made[2].writes] == [
        (-5, (3,), (0, 1, 2)),
        (-4, (4,), (0, 1, 2)),
    ]
    assert {write.strength for plan in made for write in plan.writes} == {0.35}
    keys = {frame: [9.0, 0.0] for frame in (6, 15, 24, 33, 42)}
    made = plans(TetherCache(alpha=0), View(keys))
    assert made[20].frames[:3] == (0, 1, 2)
    assert made[20].frames[8:] == (59,)
    assert not any(plan.writes for plan in made[16:])
    sources = {w.slot: w.sources[0] for plan in made for w in plan.writes}
    assert [sources[slot] for slot in made[20].frames[3:8]] == [6, 15, 24, 33, 42]


def test_tethercache_prefers_frames_that_no_near_one_makes_redundant() -> None:
    """Of equal mass, a frame among near ones is worth less than one at the edge."""
    tether = TetherCache()
    tether.reset(SPEC)
    tether.queries = [torch.tensor([[1.0, 0.0]])] * 3
    tether.keys = {frame: torch.tensor([[1.0, 0.0]]) for frame in (3, 4, 5, 20)}
    scores = tether.scores((3, 4, 5, 20), 24)
    assert max(scores) == scores[3]
    assert scores[1] == pytest.approx(scores[0])


def test_head_split_ranks_heads_once_the_context_is_full() -> None:
    made = plans(HeadSplit(), spec=replace(SPEC, layers=3, heads=4))
    assert not any(plan.groups for plan in made[:4])
    dummy, sinks = made[20].groups
    # 3 of 12 heads: the last of each layer look at the block most, those of layer 2 at the sink.
    assert dummy.heads == ((3,), (3,), (3,))
    assert dummy.plan.frames == ()
    assert dummy.plan.query_positions == (0, 1, 2)
    assert sinks.heads == ((), (), (0, 1, 2))
    assert sinks.plan.frames == (0, 59)
    assert made[20].frames == plans(SlidingWindow())[20].frames
    assert len({plan.groups and plan.groups[0].heads for plan in made[4:]}) == 1


def test_memflow_keeps_the_frames_that_fit_the_prompt_of_the_block_to_come() -> None:
    keys = {6: [5.0, 4.0], 12: [4.0, 5.0], 18: [2.0, 9.0], 24: [1.0, 8.0]}
    made = plans(MemFlow(), View(keys, (0, 45)))
    assert made[1].frames == (0, 1, 2)
    assert made[2].frames == (0, 1, 2, 3, 3, 4, 5)
    assert made[9].frames == (0, 1, 2, 6, 12, 24, 24, 25, 26)
    # At frame 45 the prompt changes; what the bank had dropped before can't come back.
    assert made[14].frames[3:6] == (6, 12, 39)
    assert made[15].frames[3:6] == (6, 12, 42)
    assert made[15].roles[3:6] == (Role.memory,) * 3
    late = plans(MemFlow(), View(keys, (0, 21)))
    assert late[9].frames[3:6] == (12, 18, 24)
    assert late[12].frames[3:6] == (18, 24, 33)
    assert all(map(in_a_row, made))
