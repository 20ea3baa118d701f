"""Identities of units: equal for equal pixels, different for anything that changes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from safetensors.torch import save_file

from harness.config.sweep import load_sweep
from harness.core.errors import ConfigError, LongtakeError
from harness.run.prepared import PreparedUnit
from harness.store.units import Unit, digest, plan_units
from tests.harness.store.test_shards import OBJECTS, TEXTS, VALUES

ORACLE = "method=street_oracle"
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
        ("backbone=street_window",),
        (STEPS,),
        ("method=rag",),
        ("method.sink_latents=2",),
        ("prompts=street_turns",),
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
    (tmp_path / "other.txt").write_text("late grassy four walking\n")
    with pytest.raises(LongtakeError, match="Expected one of: dawn, noon"):
        plan(f"prompts={tmp_path / 'other.txt'}")


# Results that people keep are found by these ids.
KNOWN_IDS = {
    ("sliding_window", "0001"): "145a75af6a0f454cd4bd",
    ("sliding_window", "0002"): "cd2dc3053a542771b497",
    ("rag", "0001"): "2ce98fd67f2c7735047f",
    ("rag", "0002"): "37140ad606173dc6e522",
}


@pytest.mark.parametrize("switch", [(), ("method.switch=recache",), ("method.switch=flush",)])
def test_ids_of_single_prompts_stay_whatever_the_switch(switch: tuple[str, ...]) -> None:
    units = plan("method=sliding_window,rag", "prompts.num=2", "duration=30", *switch)
    found = {(unit.method.split()[0], unit.prompt_id): unit.id for unit in units}
    assert found == KNOWN_IDS
    assert all("script" not in unit.identity and unit.script is None for unit in units)


@pytest.fixture
def stories(tmp_path: Path) -> Callable[..., str]:
    """Writes a prompt set of one script."""

    def write(*segments: tuple[float, str], **more: str) -> str:
        given = [{"seconds": s, "prompt": text, **more} for s, text in segments]
        path = tmp_path / "stories.jsonl"
        path.write_text(json.dumps({"id": "a", "segments": given}))
        return f"prompts={path}"

    return write


SKY = "dusk grassy four walking"
BOX = "noon grassy four returning"


def test_the_script_and_the_switch_are_part_of_the_id(stories: Callable[..., str]) -> None:
    plain = only(stories((30, SKY)))
    units = [
        plain,
        only(stories((1.5, SKY), (1.5, BOX))),
        only(stories((1.5, SKY), (1.5, BOX)), "method.switch=recache"),
        only(stories((1.5, SKY), (1.5, BOX)), "method.switch=flush"),
        only(stories((2.25, SKY), (1.5, BOX))),
        only(stories((1.5, SKY), (1.5, SKY))),
    ]
    assert len({unit.id for unit in units}) == len(units)
    assert all(unit.id == digest(unit.identity) for unit in units)
    assert units[1].prompts == (SKY, BOX)
    assert plain.script is None
    same = only(stories((1.5, SKY), (1.5, BOX)), "method.switch=keep")
    assert same.id == units[1].id
    reworded = only(stories((1.5, SKY), (1.5, BOX), evaluation_prompt="a ball"))
    assert reworded.id == units[1].id
    assert reworded.evaluation_prompts == ("a ball", "a ball")


@pytest.mark.parametrize(
    ("segments", "overrides", "message"),
    [
        (
            ((1.4, SKY), (0.1, BOX), (1, SKY)),
            (),
            "stories.jsonl, line 1: Segment 2 .*no block begins",
        ),
        (((1.5, SKY), (1.5, "a box")), (), "has 4 words"),
        (((1.5, SKY), (1.5, BOX)), ("method.switch=flus",), "Did you mean 'flush'"),
    ],
)
def test_scripts_that_cannot_be_made_are_refused(
    stories: Callable[..., str], segments, overrides, message: str
) -> None:
    with pytest.raises(LongtakeError, match=message):
        plan(stories(*segments), *overrides)


def test_a_strategy_has_no_switch_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from dataclasses import dataclass\nfrom methods.rag import Rag\n"
    source += "@dataclass\nclass Own(Rag):\n    switch: int = 0\n"
    (tmp_path / "own_switch.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LongtakeError, match="no argument may be called switch"):
        plan("method=own_switch:Own")


def test_positions_that_restart_allow_longer_videos(stories: Callable[..., str]) -> None:
    """A table of 1024 positions ends at 256 s, unless the script drops the past before."""
    long = ("method=sliding_window", "method.rope=absolute", "duration=300")
    script = stories((150, SKY), (150, BOX))
    with pytest.raises(LongtakeError, match="1024 positions"):
        plan(script, *long)
    assert only(script, *long, "method.switch=flush").num_latents == 1200


def test_a_strategy_that_cannot_read_the_prompts_is_refused_before_anything_is_made() -> None:
    with pytest.raises(LongtakeError, match="street_oracle reads the walk from prompts of the st"):
        plan(
            "backbone=self_forcing",
            "backbone.weights=random",
            "prompts=scenes",
            "method=street_oracle",
        )


def test_a_given_file_that_changes_after_planning_is_not_used_under_the_old_id(
    tmp_path: Path,
) -> None:
    path, prompts = tmp_path / "given.safetensors", tmp_path / "given.jsonl"
    save_file({"latents": torch.zeros(3, 16, 8, 8)}, path)
    text = "dusk grassy four walking"
    segments = [{"seconds": 0.75, "prompt": text, "given": str(path)}]
    segments.append({"seconds": 3, "prompt": text})
    prompts.write_text(json.dumps({"id": "a", "segments": segments}))
    unit = only(f"prompts={prompts}", "method=sliding_window")
    PreparedUnit.of(unit).check_identity()
    save_file({"latents": torch.ones(3, 16, 8, 8)}, path)
    with pytest.raises(ConfigError, match=r"given file of unit .* changed after the sweep was"):
        PreparedUnit.of(unit).check_identity()
