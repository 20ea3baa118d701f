from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import LongtakeError, PlanError
from methods.base import (
    ContextPlan,
    MemoryStrategy,
    Role,
    RolloutSpec,
    RopeScheme,
    checked_plan,
    reachable,
)
from methods.controls import Lag, Oldest, Oracle, Random, Recency, Uniform
from methods.rag import Rag
from methods.retrieval import Layout, Retrieval
from methods.sliding_window import SlidingWindow
from methods.successor import Successor

SHAPE = (16, 4, 4)
SPEC = RolloutSpec(
    num_latents=120,
    block_latents=3,
    budget_latents=12,
    trained_latents=21,
    rope_positions=1024,
    latent_shape=SHAPE,
    seed=0,
)


def plans(strategy: MemoryStrategy, spec: RolloutSpec = SPEC) -> list[ContextPlan]:
    """All plans of a rollout over random latents."""
    generator = torch.Generator().manual_seed(1)
    strategy.reset(spec)
    made = []
    for first_frame in range(0, spec.num_latents, spec.block_latents):
        plan = strategy.plan(first_frame)
        plan.check(first_frame, spec)
        made.append(plan)
        latents = torch.randn(spec.block_latents, *spec.latent_shape, generator=generator)
        strategy.observe(latents, first_frame)
    return made


def plan_at(strategy: MemoryStrategy, first_frame: int) -> ContextPlan:
    return plans(strategy)[first_frame // SPEC.block_latents]


RETRIEVING: list[type[Retrieval]] = [Rag, Successor, Random, Uniform, Recency, Oldest]


def test_full_relative_window_puts_the_block_at_9_to_11() -> None:
    plan = plan_at(SlidingWindow(), 60)
    assert plan.frames == (0, *range(52, 60))
    assert plan.positions == tuple(range(9))
    assert plan.query_positions == (9, 10, 11)


def test_absolute_positions_are_the_frame_numbers() -> None:
    plan = plan_at(SlidingWindow(rope=RopeScheme.absolute), 60)
    assert plan.positions == plan.frames
    assert plan.query_positions == (60, 61, 62)


def test_window_without_sink_holds_the_newest_frames() -> None:
    assert plan_at(SlidingWindow(sink_latents=0), 60).frames == tuple(range(51, 60))


def test_absolute_rope_refuses_a_video_longer_than_its_table() -> None:
    spec = RolloutSpec(1026, 3, 12, 21, 1024, SHAPE, 0)
    SlidingWindow().reset(spec)
    with pytest.raises(LongtakeError, match="rope=relative or a shorter duration"):
        SlidingWindow(rope=RopeScheme.absolute).reset(spec)


@pytest.mark.parametrize("kind", RETRIEVING)
def test_released_layout_spends_the_whole_budget_once_memory_is_full(kind: type) -> None:
    plan = plan_at(kind(), 60)
    memory = plan.memory_frames()
    assert len(memory) == 6
    assert plan.frames == (0, *memory, 58, 59)
    assert plan.positions == (0, *(0,) * 6, 7, 8)
    assert plan.query_positions == (9, 10, 11)


@pytest.mark.parametrize("kind", RETRIEVING)
def test_retrieval_starts_when_a_frame_is_old_enough(kind: type) -> None:
    assert plan_at(kind(), 15).memory_frames() == ()
    assert plan_at(kind(), 18).memory_frames() == (1,)
    assert max(plan_at(kind(), 60).memory_frames()) <= 60 - 17


def test_released_layout_reserves_the_memory_budget_before_there_is_memory() -> None:
    plan = plan_at(Oldest(), 12)
    assert plan.frames == (0, 10, 11)
    assert plan.query_positions == (9, 10, 11)


def test_fill_layout_gives_unused_memory_to_the_local_window() -> None:
    early, late = plan_at(Oldest(layout=Layout.fill), 18), plan_at(Oldest(layout=Layout.fill), 60)
    assert early.frames == (0, 1, *range(11, 18))
    assert early.positions == (0, 0, *range(2, 9))
    assert late.frames == plan_at(Oldest(), 60).frames


def test_aged_layout_counts_back_from_the_end_of_the_trained_range() -> None:
    plan = plan_at(Recency(layout=Layout.aged), 60)
    assert plan.query_positions == (18, 19, 20)
    ages = [60 - frame for frame in plan.frames]
    assert plan.positions == tuple(max(0, 18 - age) for age in ages)
    assert plan.positions[-2:] == (16, 17)


def test_absolute_layout_keeps_every_frame_at_its_number() -> None:
    plan = plan_at(Recency(layout=Layout.absolute), 60)
    assert plan.frames == plan_at(Recency(), 60).frames
    assert plan.positions == plan.frames
    assert plan.query_positions == (60, 61, 62)
    spec = RolloutSpec(1026, 3, 12, 21, 1024, SHAPE, 0)
    with pytest.raises(LongtakeError, match="another layout or a shorter duration"):
        Recency(layout=Layout.absolute).reset(spec)


def test_controls_choose_what_their_names_say() -> None:
    candidates = range(1, 44)
    assert plan_at(Oldest(), 60).memory_frames() == (1, 2, 3, 4, 5, 6)
    assert plan_at(Recency(), 60).memory_frames() == (38, 39, 40, 41, 42, 43)
    uniform = plan_at(Uniform(), 60).memory_frames()
    assert (uniform[0], uniform[-1]) == (candidates[0], candidates[-1])
    gaps = [b - a for a, b in itertools.pairwise(uniform)]
    assert max(gaps) - min(gaps) <= 1


def test_random_frames_depend_on_the_seed_and_the_block_alone() -> None:
    other = RolloutSpec(**{**SPEC.__dict__, "seed": 1})
    assert plans(Random()) == plans(Random())
    assert plans(Random()) != plans(Random(), other)
    memories = {plan.memory_frames() for plan in plans(Random())[10:]}
    assert len(memories) == 30


def test_rag_finds_the_frame_that_comes_back() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(120, *SHAPE, generator=generator)
    frames[59] = frames[7] + 0.01 * torch.randn(SHAPE, generator=generator)
    strategy = Rag(descriptor="flat")
    strategy.reset(SPEC)
    for first_frame in range(0, 60, 3):
        strategy.observe(frames[first_frame : first_frame + 3], first_frame)
    plan = strategy.plan(60)
    assert plan.memory_frames()[0] == 7
    assert plan.scores is not None
    assert plan.scores[0] > 0.99
    assert list(plan.scores) == sorted(plan.scores, reverse=True)


def test_equal_similarities_go_to_the_older_frame() -> None:
    strategy = Rag(descriptor="flat", memory_latents=2)
    strategy.reset(SPEC)
    for first_frame in range(0, 60, 3):
        strategy.observe(torch.ones(3, *SHAPE), first_frame)
    assert strategy.plan(60).memory_frames() == (1, 2)


def test_selections_are_tied_by_the_similarities_at_each_place() -> None:
    """Frames 1 to 40 have descriptors of two values each; the query is the last frame, (1, 0)."""
    spec = replace(SPEC, latent_shape=(1, 1, 2))
    cosines = {1: 0.9, 2: 0.9 - 6e-7, 3: 0.9 - 1.2e-6, 4: 0.5, 5: 0.5}
    frames_FCHW = torch.zeros(60, 1, 1, 2)
    frames_FCHW[:, 0, 0, 0] = torch.tensor([cosines.get(frame, 0.0) for frame in range(60)])
    frames_FCHW[59, 0, 0, 0] = 1
    frames_FCHW[:, 0, 0, 1] = (1 - frames_FCHW[:, 0, 0, 0].double() ** 2).sqrt().float()
    strategy = Rag(descriptor="flat", memory_latents=3)
    strategy.reset(spec)
    for first_frame in range(0, 60, 3):
        strategy.observe(frames_FCHW[first_frame : first_frame + 3], first_frame)
    assert strategy.plan(60).memory_frames() == (1, 2, 3)
    strategy.observe(torch.randn(3, 1, 1, 2), 60)  # the next block changes nothing

    def tied(frames: tuple[int, ...], others: tuple[int, ...]) -> bool:
        return strategy.tied(60, frames, others, tolerance=1e-6)

    assert tied((1, 2, 3), (1, 2, 3))
    assert tied((1, 2, 4), (2, 1, 5))
    assert not tied((1, 2, 3), (3, 2, 1))  # 1.2e-6 apart
    assert not tied((1, 2, 3), (1, 2, 4))
    assert not tied((4, 5), (4, 4))
    assert not tied((1, 2), (1,))
    assert not tied((58,), (58,))  # in the window, no candidate


def successor_after(
    newest_like: dict[int, float], first_frame: int = 60, **arguments: int
) -> ContextPlan:
    """The plan of a successor after frames at a known cosine to the newest one, by frame.

    All other frames are orthogonal to it, and to each other where there is room.
    """
    strategy = Successor(descriptor="flat", **arguments)  # type: ignore[arg-type]
    strategy.reset(SPEC)
    latents = torch.eye(256)[1 : first_frame + 1]
    for frame, cosine in newest_like.items():
        latents[frame] = math.sqrt(1 - cosine**2) * latents[frame]
        latents[frame, 0] = cosine
    latents[first_frame - 1] = torch.eye(256)[0]
    for start in range(0, first_frame, 3):
        strategy.observe(latents[start : start + 3].unflatten(1, SHAPE), start)
    plan = strategy.plan(first_frame)
    plan.check(first_frame, SPEC)
    return plan


def test_successor_takes_the_frames_after_the_best_match() -> None:
    plan = successor_after({20: 0.9, 30: 0.8})
    assert plan.frames == (0, *range(21, 27), 58, 59)
    assert plan.positions == (0, *(0,) * 6, 7, 8)
    assert plan.scores == pytest.approx((0.9,) * 6)


def test_successor_shares_the_memory_among_matches_that_do_not_overlap() -> None:
    # 21 and 22 are better than 40, but what follows them was taken for 20 already.
    plan = successor_after({20: 0.9, 21: 0.85, 22: 0.8, 35: 0.7}, matches=2)
    assert plan.memory_frames() == (21, 22, 23, 36, 37, 38)
    assert plan.scores == pytest.approx((0.9,) * 3 + (0.7,) * 3)
    one = successor_after({20: 0.9, 35: 0.7}, matches=2, after_latents=1)
    assert one.memory_frames() == (21, 36)


def test_successor_retrieves_nothing_that_the_guard_forbids() -> None:
    # Of the candidates 1 to 43, 37 is the last that six candidates follow.
    assert successor_after({38: 0.9, 37: 0.8}).memory_frames() == tuple(range(38, 44))
    assert successor_after({38: 0.9}, after_latents=3).memory_frames() == (39, 40, 41)
    wider = successor_after({38: 0.9, 37: 0.8}, recent_exclude_latents=4)
    assert wider.memory_frames() == tuple(range(39, 45))


def test_successor_starts_with_what_follows_the_sink() -> None:
    assert successor_after({}, 15).memory_frames() == ()
    assert successor_after({}, 18).memory_frames() == (1,)
    assert successor_after({0: 0.9}, 21).memory_frames() == (1, 2, 3, 4)
    assert successor_after({}, 18, sink_latents=0).memory_frames() == ()


def test_lag_takes_the_frames_of_a_fixed_time_ago() -> None:
    plan = plan_at(Lag(), 60)
    assert plan.frames == (0, *range(28, 34), 58, 59)
    assert plan_at(Lag(lag_latents=22), 60).memory_frames() == tuple(range(38, 44))
    assert plan_at(Lag(), 27).memory_frames() == ()
    assert plan_at(Lag(), 30).memory_frames() == (1, 2, 3)


def test_lag_reaches_back_as_far_as_it_ever_looks() -> None:
    strategy = Lag()
    made = plans(strategy)
    for index, plan in enumerate(made):
        kept = set(range(120))
        for block in range(index + 1):
            made_until_now = set(range(block * SPEC.block_latents))
            kept &= set(reachable(strategy, block * SPEC.block_latents)) | (
                set(range(120)) - made_until_now
            )
        assert set(plan.frames) <= kept


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(RETRIEVING),
    layout=st.sampled_from(list(Layout)),
    sink=st.integers(0, 3),
    memory=st.integers(0, 6),
    guard=st.integers(0, 8),
    block=st.sampled_from([1, 3]),
)
def test_every_plan_keeps_to_budget_past_and_table(
    kind: type, layout: Layout, sink: int, memory: int, guard: int, block: int
) -> None:
    spec = RolloutSpec(60, block, 12, 21, 1024, SHAPE, 3)
    strategy = kind(
        layout=layout, sink_latents=sink, memory_latents=memory, recent_exclude_latents=guard
    )
    check_plans(strategy, spec)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(Layout)), st.integers(0, 3), st.integers(0, 6), st.integers(0, 8))
def test_every_plan_of_a_lag_keeps_to_budget_past_and_table(
    layout: Layout, sink: int, memory: int, guard: int
) -> None:
    spec = RolloutSpec(60, 3, 12, 21, 1024, SHAPE, 3)
    check_plans(Lag(layout, sink, memory, guard, lag_latents=29), spec)


def check_plans(strategy: MemoryStrategy, spec: RolloutSpec) -> None:
    """Check every plan: no frame twice, memory outside the window, the window up to the block."""
    for index, plan in enumerate(plans(strategy, spec)):  # `plans` checks each
        memory_frames = plan.memory_frames()
        local = [f for f, r in zip(plan.frames, plan.roles, strict=True) if r is Role.local]
        assert len(set(plan.frames)) == len(plan.frames)
        assert not set(memory_frames) & set(local)
        assert not local or local[-1] == index * spec.block_latents - 1


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (SlidingWindow(sink_latents=10), "sink_latents=10 does not fit"),
        (Rag(memory_latents=9), "exceed the 9 past latent frames"),
        (Rag(memory_latents=-1), "can't be negative"),
        (Rag(query_latents=0), "at least 1"),
        (Rag(descriptor="avgpool"), "Did you mean 'avg_pool'"),
        (Rag(descriptor="autoencoder"), "method.checkpoint=PATH"),
        (Rag(descriptor="autoencoder", checkpoint="gone.pt"), "no file 'gone.pt'"),
        (Rag(checkpoint="x.pt"), "no weights"),
        (Successor(matches=0), "matches must be at least 1"),
        (Successor(matches=7), "matches=7 with 1 frames after each do not fit"),
        (Successor(matches=2, after_latents=4), "memory_latents=6; take 1 to 6 in all"),
        (Successor(after_latents=0), "with 0 frames after each"),
        (Lag(lag_latents=21), "must be at least 22"),
        (Oracle(), "method.trace=PATH"),
        (Oracle(trace="gone.jsonl"), "no file 'gone.jsonl'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(strategy: MemoryStrategy, message: str) -> None:
    with pytest.raises(LongtakeError, match=message):
        strategy.reset(SPEC)


def test_oracle_attends_to_the_frames_of_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    line = {
        "first_frame": 60,
        "frames": [0, 30, 20, 59],
        "roles": ["sink", "memory", "memory", "local"],
    }
    trace.write_text(json.dumps(line) + "\n")
    strategy = Oracle(trace=str(trace))
    assert plan_at(strategy, 60).memory_frames() == (30, 20)
    assert plan_at(strategy, 57).memory_frames() == ()
    before = strategy.identity()
    trace.write_text(json.dumps(line | {"frames": [0, 31, 20, 59]}) + "\n")
    assert strategy.identity() != before


@pytest.mark.parametrize("line", ["{", '{"first_frame": 1}', "[]"])
def test_a_malformed_trace_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(line)
    with pytest.raises(LongtakeError, match="line 1"):
        Oracle(trace=str(trace)).reset(SPEC)


@pytest.mark.parametrize("plan", [[0, 1], None, {"frames": (0,)}])
def test_anything_but_a_plan_is_refused_with_the_contract(plan: object) -> None:
    with pytest.raises(PlanError, match=r"SlidingWindow.plan must return a ContextPlan .*returned"):
        checked_plan(plan, SlidingWindow(), 12, SPEC)


@pytest.mark.parametrize("number", [float("nan"), 1.0, np.int64(1), torch.tensor(1)])
def test_plan_of_numbers_that_are_not_whole_is_refused(number: object) -> None:
    plan = ContextPlan((0,), (number,), (1, 2, 3), (Role.sink,))  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="positions must hold numbers of type int; got"):
        plan.check(12, SPEC)
