from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backbones.engine.runtime import Runtime
from harness.store.shards import Evaluation, Shard, Stage
from slurm.plan.arrays import chunks, cut


def shard_of(num_items: int) -> Shard:
    tasks = tuple(Evaluation(f"u{n}", "s", "", {"1": 32}) for n in range(num_items))
    return Shard(Stage.evaluate, "/store", "cpu", 1, 1, Runtime(), evaluations=tasks)


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=60),
    st.floats(1, 200),
)
def test_pieces_hold_every_item_once_and_are_about_as_long_as_the_target(
    seconds: list[float], target_s: float
) -> None:
    shard = shard_of(len(seconds))
    item_s = dict(zip(shard.items, seconds, strict=True))
    pieces = cut(shard, "label", item_s, target_s)
    assert [item for piece in pieces for item in piece.shard.items] == shard.items
    for piece in pieces:
        assert piece.shard.items
        assert piece.seconds <= target_s + 2 * max(seconds) + 1e-6


def test_equal_items_are_divided_evenly() -> None:
    shard = shard_of(100)
    pieces = cut(shard, "label", dict.fromkeys(shard.items, 60.0), 30 * 60)
    assert [len(piece.shard.items) for piece in pieces] == [25] * 4


def test_an_item_longer_than_a_shard_is_a_shard_of_its_own() -> None:
    shard = shard_of(3)
    pieces = cut(shard, "label", dict.fromkeys(shard.items, 7200.0), 1800)
    assert [len(piece.shard.items) for piece in pieces] == [1, 1, 1]


def test_nothing_makes_no_pieces() -> None:
    assert cut(shard_of(0), "label", {}, 60) == []


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_chunks_are_consecutive_and_no_larger_than_the_size(values: list[int], size: int) -> None:
    parts = list(chunks(values, size))
    assert [value for part in parts for value in part] == values
    assert all(1 <= len(part) <= size for part in parts)
