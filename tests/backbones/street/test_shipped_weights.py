"""The weights of the street in the package: small, made by their command, and able to remember."""

from __future__ import annotations

import pytest
import torch

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.street.backbone import StreetBackbone
from backbones.street.oracle import StreetOracle
from backbones.street.training.transformer import learned_memory
from backbones.street.weights import StreetWeights
from backbones.world.street.prompt import StreetPrompt
from eval.recall.street_metric import StreetClip
from eval.recall.street_recall import FigureRecall
from harness.core.errors import ConfigError
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


def test_the_file_is_small_and_says_how_it_was_made() -> None:
    [file] = StreetBackbone().files()
    weights = StreetWeights.read(file.path)
    assert file.path.stat().st_size < 12e6
    assert weights.command.startswith("python -m harness train-world")
    assert learned_memory(weights.losses)


def test_a_prompt_of_a_scene_that_was_not_trained_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"scene cups.*on street alone.*data.scenes=\[street,cups"
    ):
        StreetBackbone().check_prompt("noon grassy cups showing")


@pytest.mark.slow
def test_figures_come_back_with_the_right_frames_and_not_with_a_window(backbone: Backbone) -> None:
    assert recall(backbone, StreetOracle()) > recall(backbone, SlidingWindow()) + 0.2
