"""The weights of the street in the package: small, made by their command, and able to remember."""

from __future__ import annotations

import pytest
import torch
from yaml import safe_load

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.spec import WeightsKind
from backbones.street.backbone import StreetBackbone, shipped_trainings
from backbones.street.oracle import StreetOracle
from backbones.street.training.transformer import learned_memory
from backbones.street.weights import StreetWeights
from backbones.world.street.prompt import StreetPrompt
from eval.recall.street_metric import StreetClip
from eval.recall.street_recall import FigureRecall
from harness.config.sweep import CONF
from harness.core.errors import ConfigError, UnknownName
from methods.base import MemoryStrategy
from methods.sliding_window import SlidingWindow

WALK = "noon grassy three walking"
TWO_LAPS_LATENTS = 54


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return StreetBackbone().load(torch.device("cpu"), [WALK])


def recall(backbone: Backbone, strategy: MemoryStrategy) -> float:
    noise = SeededNoise(1, WALK)
    rollout = Rollout(backbone, strategy, WALK, noise, TWO_LAPS_LATENTS, seed=1)
    decoder = backbone.start_decoder()
    frames = torch.cat([decoder.decode(block.latents) for block in rollout.blocks()])
    clip = StreetClip(0.0, frames_FHWC=frames.numpy(), changes=((0, StreetPrompt.parse(WALK)),))
    return FigureRecall().combine([clip]).value


@pytest.mark.parametrize("name", shipped_trainings())
def test_a_file_is_small_and_says_how_it_was_made(name: str) -> None:
    source = StreetBackbone(weights=name)
    file, encoder = source.files()
    weights = StreetWeights.read(file.path)
    assert file.path.stat().st_size + encoder.path.stat().st_size < 13e6
    assert (source.spec().name, source.spec().weights) == (name, WeightsKind.embedded)
    assert weights.command.startswith("python -m harness train-world")
    on_the_window = "transformer.contexts=window" in weights.command
    assert on_the_window == name.startswith("street_window")
    assert on_the_window or learned_memory(weights.losses)


def test_each_training_has_its_preset() -> None:
    presets = [safe_load(path.read_text()) for path in (CONF / "backbone").glob("street*.yaml")]
    assert {preset["family"] for preset in presets} == {"street"}
    assert sorted(preset.get("weights", "street") for preset in presets) == shipped_trainings()


def test_the_name_of_no_training_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'street'"):
        StreetBackbone(weights="stret").spec()


def test_a_prompt_of_a_scene_that_was_not_trained_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"scene cups.*on street alone.*street_scenes.*data.scenes=\[street,cups"
    ):
        StreetBackbone().check_prompt("noon grassy cups showing")
    StreetBackbone(weights="street_scenes").check_prompt("noon grassy cups showing")


@pytest.mark.slow
def test_figures_come_back_with_the_right_frames_and_not_with_a_window(backbone: Backbone) -> None:
    assert recall(backbone, StreetOracle()) > recall(backbone, SlidingWindow()) + 0.2
