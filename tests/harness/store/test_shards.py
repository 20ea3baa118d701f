"""Shards: equal after a round trip through a file, and cut so that no work is lost or doubled."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbones.engine.runtime import AttentionKernel, Kernels, KVLimits, Runtime
from backbones.engine.script import Script, Segment, Switch
from harness.core.errors import StoreError
from harness.store.shards import (
    Evaluation,
    Shard,
    SharedParts,
    Stage,
    group_units,
    split_units,
)
from harness.store.units import Unit, UnitRow

# Any text that UTF-8 can encode, quotes, line ends and characters outside the BMP included.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DIGEST = re.compile(r',"sha256":"[0-9a-f]{16}"')
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
SEGMENTS = st.builds(
    Segment,
    seconds=st.floats(0.01, 1e6),
    prompt=TEXTS.map("a{}".format),
    evaluation_prompt=st.none() | TEXTS,
)
SCRIPTS = st.builds(
    Script,
    segments=st.lists(SEGMENTS, min_size=1, max_size=3).map(tuple),
    switch=st.sampled_from(Switch),
)
ROWS = st.builds(
    UnitRow,
    **dict.fromkeys(("id", "backbone", "method", "family", "strategy"), TEXTS),
    **dict.fromkeys(("identity", "backbone_args", "method_args"), OBJECTS),
    num_latents=st.integers(1, 10**6),
)
UNITS = st.builds(
    Unit,
    row=ROWS,
    **dict.fromkeys(("id", "prompt_id", "prompt_set", "prompt", "evaluation_prompt"), TEXTS),
    seed=st.integers(0, 2**53),
    script=st.none() | SCRIPTS,
)
EVALUATIONS = st.builds(
    Evaluation,
    unit_id=TEXTS,
    suite=TEXTS,
    prompt=TEXTS,
    durations_frames=st.dictionaries(TEXTS, st.integers(1, 10**6), max_size=3),
    segment_prompts=st.lists(TEXTS, max_size=3).map(tuple),
)
RUNTIMES = st.builds(
    Runtime,
    kernels=st.builds(
        Kernels,
        compile=st.none() | st.booleans(),
        attention=st.sampled_from(AttentionKernel),
        cuda_graphs=st.booleans(),
    ),
    kv=st.builds(
        KVLimits,
        host_gib=st.none() | st.floats(0, 1e6),
        device_gib=st.none() | st.floats(0, 1e6),
        spill_dir=st.none() | TEXTS,
    ),
    deterministic=st.booleans(),
)
SHARDS = st.builds(
    Shard,
    stage=st.sampled_from(Stage),
    store=TEXTS,
    device=TEXTS,
    threads=st.integers(1, 999),
    save_every_blocks=st.integers(1, 999),
    runtime=RUNTIMES,
    units=st.lists(UNITS, max_size=3).map(tuple),
    evaluations=st.lists(EVALUATIONS, max_size=3).map(tuple),
    host_workers=st.integers(1, 99),
    device_workers=st.integers(1, 99),
    batch=st.integers(1, 99),
)


def unit(number: int, family: str = "tiny", **backbone_args: object) -> Unit:
    row = UnitRow("r", {}, "b", "m", family, backbone_args, "rag", {}, num_latents=3)
    return Unit(
        id=f"u{number}",
        row=row,
        prompt_id="1",
        prompt_set="set",
        prompt="a ball",
        evaluation_prompt="a ball",
        seed=0,
    )


@pytest.mark.slow
@given(SHARDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_shard_is_equal_after_a_round_trip_through_its_file(tmp_path: Path, shard: Shard) -> None:
    path = tmp_path / "shard.json"
    shard.write(path)
    assert Shard.read(path) == shard
    assert path.read_bytes().count(b"\n") == 1, "one line, whatever the prompts contain"


def test_a_file_holds_each_row_once_and_shards_share_them_in_memory(tmp_path: Path) -> None:
    first = unit(0, budget=12)
    units = tuple(replace(first, id=f"u{number}") for number in range(50))
    shared, read = SharedParts(), []
    for name in ("a.json", "b.json"):
        Shard(Stage.generate, "runs/main", "cpu", 2, 8, Runtime(), units).write(tmp_path / name)
        assert (tmp_path / name).read_text().count('"budget"') == 1
        read.append(Shard.read(tmp_path / name, shared))
    assert read[0] == read[1]
    assert len({id(one.row) for shard in read for one in shard.units}) == 1


def test_a_changed_letter_is_found_and_a_shard_without_a_digest_is_read(tmp_path: Path) -> None:
    """Shards of earlier versions have none."""
    path = tmp_path / "shard.json"
    shard = Shard(Stage.generate, "runs/main", "cpu", 2, 8, Runtime(), (unit(0),))
    shard.write(path)
    text = path.read_text()
    path.write_text(text.replace("a ball", "a bell"))
    with pytest.raises(StoreError, match=r"shard\.json: damaged \(checksum mismatch\)"):
        Shard.read(path)
    path.write_text(_DIGEST.sub("", text))
    assert Shard.read(path) == shard


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"seed":0', '"seed":"0"', r"expected `int`, got `str`.*units.*seed"),
        ('"threads":2', '"thread":2', "missing required field `threads`"),
        ('"generate"', '"make"', "stage"),
        ('"row":0', '"row":1', "names a row of units that it does not have"),
        ('"batch":1}', '"batch":1', "not valid JSON"),
    ],
)
def test_a_damaged_shard_is_named_with_its_field(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "shard.json"
    Shard(Stage.generate, "runs/main", "cpu", 2, 8, Runtime(), (unit(0),)).write(path)
    text = _DIGEST.sub("", path.read_text())
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(StoreError, match=message) as caught:
        Shard.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.slow
@given(SHARDS, st.data())
def test_a_part_of_a_shard_contains_exactly_the_named_items_in_order(
    shard: Shard, data: st.DataObject
) -> None:
    named = data.draw(st.sets(st.sampled_from(shard.items))) if shard.items else set()
    part = shard.only(named)
    assert part.items == [item for item in shard.items if item in named]
    assert (part.stage, part.store, part.runtime) == (shard.stage, shard.store, shard.runtime)
    assert shard.only(shard.items) == shard


BACKBONES = st.sampled_from(
    [("tiny", {}), ("tiny", {"setting": "long"}), ("wan", {}), ("wan", {"a": 1, "b": [2]})]
)


@given(st.lists(BACKBONES, max_size=20), st.integers(1, 6))
def test_units_are_dealt_out_once_and_by_backbone(
    backbones: list[tuple[str, dict[str, object]]], num_workers: int
) -> None:
    units = [unit(number, family, **args) for number, (family, args) in enumerate(backbones)]
    parts = split_units(units, num_workers)
    assert Counter(one.id for part in parts for one in part) == Counter(one.id for one in units)
    assert all(parts), "no worker starts without work"
    for part in parts:
        assert len({(one.family, str(one.backbone_args)) for one in part}) == 1
        numbers = [int(one.id[1:]) for one in part]
        assert numbers == sorted(numbers), "the order of the sweep is kept"
    for members in group_units(units):
        shares = [len(part) for part in parts if part[0] in members]
        assert max(shares) - min(shares) <= 1
        assert len(shares) <= num_workers


def test_a_backbone_is_loaded_once_however_its_arguments_are_ordered() -> None:
    units = [unit(0, a=1, b=2), unit(1, family="wan"), unit(2, b=2, a=1)]

    def grouped(units: list[Unit]) -> list[set[str]]:
        return [{one.id for one in members} for members in group_units(units)]

    assert grouped(units) in ([{"u0", "u2"}, {"u1"}], [{"u1"}, {"u0", "u2"}])
    assert grouped(units) == grouped(units[::-1]), "every submission has the same order of groups"


@pytest.mark.parametrize(
    ("durations_frames", "clips"), [({}, 1), ({"1": 16}, 1), ({"2": 32, "30": 480}, 15)]
)
def test_the_longest_duration_decides_how_many_clips_are_expected(
    durations_frames: dict[str, int], clips: int
) -> None:
    assert Evaluation("u", "s", "", durations_frames).num_clips_about == clips
