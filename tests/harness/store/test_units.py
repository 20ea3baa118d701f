"""Identities of units: equal for equal pixels, different for anything that changes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.store.units import Unit, digest, plan_units
from tests.harness.store.test_shards import OBJECTS, TEXTS, VALUES

STEPS = "backbone.denoising_step_list=[1000,400]"


def plan(*overrides: str) -> list[Unit]:
    fast = ["prompts.num=1", "duration=3", "device=cpu"]
    keys = {override.partition("=")[0] for override in overrides}
    kept = [override for override in fast if override.partition("=")[0] not in keys]
    return plan_units(load_sweep([*kept, *overrides]))


def only(*overrides: str) -> Unit:
    (unit,) = plan(*overrides)
    return unit


@given(OBJECTS)
def test_the_order_of_keys_does_not_change_an_id(identity: dict[str, object]) -> None:
    turned = dict(reversed(identity.items()))
    assert digest(identity) == digest(turned)
    assert digest(json.loads(json.dumps(identity))) == digest(identity), "nor does a file"


@given(OBJECTS, TEXTS, VALUES, VALUES)
def test_another_value_makes_another_id(
    identity: dict[str, object], key: str, value: object, other: object
) -> None:
    ids_equal = digest(identity | {key: value}) == digest(identity | {key: other})
    assert ids_equal == (json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_an_id_is_the_digest_of_the_identity_that_the_record_keeps() -> None:
    units = plan("method=sliding_window,rag", "prompts.num=2", "seed=0,1")
    assert [unit.id for unit in units] == [digest(unit.identity) for unit in units]
    assert len({unit.id for unit in units}) == len(units) == 8
    shared = {key: units[0].identity[key] for key in ("version", "backbone", "method")}
    assert units[0].row_id == digest(shared)


def test_units_are_planned_row_by_row_with_seeds_innermost() -> None:
    units = plan("method=sliding_window,rag", "prompts.num=2", "seed=0,1")
    order = [(unit.method, unit.prompt_id, unit.seed) for unit in units]
    assert order == [
        (method, prompt, seed)
        for method in ("sliding_window", "rag")
        for prompt in ("0001", "0002")
        for seed in (0, 1)
    ]


@pytest.mark.parametrize(
    "overrides",
    [
        ("duration=6",),  # the first three seconds are the same pixels
        ("name=other",),
        ("suite=[]",),
        ("save_every_blocks=1",),
        ("kernels.attention=math",),
        ("kv.host_gib=1",),
        ("executor=processes",),
        ("method.sink_latents=1",),  # the default, written out
        ("method=sliding_window", "method.rope=relative"),
    ],
)
def test_settings_that_change_no_pixel_keep_the_id(overrides: tuple[str, ...]) -> None:
    assert only(*overrides).id == only().id


@pytest.mark.parametrize(
    "overrides",
    [
        ("seed=1",),
        ("backbone=tiny_long",),
        (STEPS,),
        ("method=rag",),
        ("method.sink_latents=2",),
        ("prompts=tiny_random",),
    ],
)
def test_settings_that_change_pixels_change_the_id(overrides: tuple[str, ...]) -> None:
    assert only(*overrides).id != only().id


def test_a_label_is_no_part_of_an_identity(tmp_path: Path) -> None:
    """Rows of a preset and of a YAML file with the same content share their videos."""
    (tmp_path / "mine.yaml").write_text("strategy: sliding_window\nrope: relative\n")
    mine, shipped = only(f"method={tmp_path / 'mine.yaml'}"), only("method=sliding_window")
    assert (mine.method, shipped.method) == ("mine", "sliding_window")
    assert (mine.id, mine.row_id) == (shipped.id, shipped.row_id)


def test_the_longest_duration_decides_how_much_is_rolled_out() -> None:
    assert only("duration=3,6,4.5").num_latents == only("duration=6").num_latents


def test_two_prompts_of_the_same_text_are_one_video(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    text = only().prompt
    path.write_text("".join(json.dumps({"id": i, "prompt": text}) + "\n" for i in "ab"))
    first, second = plan(f"prompts={path}", "prompts.num=2")
    assert (first.prompt_id, second.prompt_id) == ("a", "b")
    assert first.id == second.id == only().id


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("duration=1",), "whole number of blocks"),
        (("device=cuda:99",), "cuda:99"),
        (("method.sink_latents=99",), "sink"),
    ],
)
def test_impossible_units_are_refused_before_anything_starts(
    overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(LongtakeError, match=message):
        plan(*overrides)


def test_a_cluster_may_have_devices_that_this_machine_lacks() -> None:
    assert plan("device=cuda:99", "executor=slurm")


def test_a_prompt_that_the_backbone_refuses_is_refused_with_what_it_expects(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a prompt of another world\n")
    with pytest.raises(LongtakeError, match="Expected one of: dawn, noon"):
        plan(f"prompts={tmp_path / 'other.txt'}")
