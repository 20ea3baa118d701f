"""Weights know the scenes that they were trained on, and what can't be shown is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backbones.street.backbone import StreetBackbone
from backbones.street.model import StreetModel, wan_config
from backbones.street.vae import LatentDecoder
from backbones.street.weights import StreetWeights
from backbones.world.street.prompt import Scene, StreetPrompt
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.errors import ConfigError
from harness.store.units import plan_units

_SIZES = StreetWeights(48, 1, 8, 8, scenes=(Scene.visitor, Scene.cups))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "street.safetensors"
    _SIZES.write(path, StreetModel(wan_config(48, 1), _SIZES.scenes), LatentDecoder(8, 8))
    return path


def test_weights_take_the_prompts_of_their_scenes_alone(path: Path) -> None:
    source = StreetBackbone(weights=str(path))
    model, _ = StreetWeights.read(path).load(path, torch.float32)
    prompt = StreetPrompt.parse("night mossy cups swapouter")
    source.check_prompt(str(prompt))
    assert model.encode_text(prompt).shape == (4, 32)
    with pytest.raises(ConfigError, match=r"scene street.*trained on visitor, cups alone"):
        source.check_prompt("noon grassy four walking")


@pytest.mark.parametrize("prompts", ["street_visitor", "street_cups"])
def test_shipped_scripts_can_be_shown(path: Path, prompts: str) -> None:
    units = plan_units(_sweep(path, prompts, "prompts.num=3", "method=street_oracle"))
    assert len(units) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("noon grassy visitor away", "line 1: A script of the visitor begins with 'staying'"),
        ("noon grassy cups showing", "line 1: At 1.5 s cups change places"),
    ],
)
def test_a_script_that_cannot_be_shown_is_refused_with_its_line(
    path: Path, tmp_path: Path, line: str, message: str
) -> None:
    prompts = tmp_path / "p.jsonl"
    swap = '{"seconds": 3, "prompt": "noon grassy cups swapleft"}'
    script = f'{{"id": "a", "segments": [{{"seconds": 1.5, "prompt": "{line}"}}, {swap}]}}'
    alone = f'{{"id": "a", "prompt": "{line}"}}'
    prompts.write_text(script if "cups" in line else alone)
    with pytest.raises(ConfigError, match=message):
        plan_units(_sweep(path, str(prompts), "method=rag"))


def _sweep(path: Path, prompts: str, *overrides: str) -> SweepConfig:
    given = ("backbone=street", f"backbone.weights={path}", f"prompts={prompts}", "duration=30")
    return load_sweep([*given, "device=cpu", *overrides])
