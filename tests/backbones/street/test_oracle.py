"""The oracle of the street: it remembers what the coming block shows, from the prompts alone."""

from __future__ import annotations

import pytest
import torch

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.script import Script, Segment, Switch
from backbones.engine.spec import Precision
from backbones.street.backbone import assemble, street_spec
from backbones.street.model import StreetModel, wan_config
from backbones.street.oracle import StreetOracle
from backbones.street.vae import LatentDecoder
from backbones.street.weights import StreetWeights
from backbones.world.street.visits import Visit
from harness.core.errors import ConfigError
from methods.base import ContextPlan, RolloutSpec
from methods.controls import Lag

WALK = "noon grassy three walking"
LAP_LATENTS = 24


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(0)
    spec = street_spec(StreetWeights(48, 1, 8, 8), Precision.float32)
    return assemble(spec, StreetModel(wan_config(48, 1)), LatentDecoder(8, 8))


def plans(
    backbone: Backbone, strategy: StreetOracle | Lag, prompt: Script | str, num_latents: int
) -> dict[int, ContextPlan]:
    rollout = Rollout(backbone, strategy, prompt, SeededNoise(0, WALK), num_latents, 0)
    return {block.first_frame: block.plan for block in rollout.blocks()}


def test_the_oracle_of_the_last_visit_remembers_the_lap_before(backbone: Backbone) -> None:
    found = plans(backbone, StreetOracle(visit=Visit.last), WALK, 3 * LAP_LATENTS)
    assert found[24].memory_frames() == (1, 2, 3, 4, 5, 6)
    assert found[60].memory_frames() == (35, 36, 37, 38, 39, 40)


def test_the_oracle_of_the_first_visit_remembers_the_first_lap(backbone: Backbone) -> None:
    found = plans(backbone, StreetOracle(visit=Visit.first), WALK, 3 * LAP_LATENTS)
    assert found[60].memory_frames() == (10, 11, 12, 13, 14, 15)


def test_after_a_turn_the_oracle_remembers_the_way_there(backbone: Backbone) -> None:
    way = Script(
        (Segment(9.0, "noon grassy six walking"), Segment(9.0, "noon grassy six returning")),
        Switch.keep,
    )
    found = plans(backbone, StreetOracle(visit=Visit.last), way, 72)
    # The camera turns after latent 35 and is at the place of latent 10 again 25 latents later.
    assert set(found[60].memory_frames()) <= set(range(5, 16))
    lag = plans(backbone, Lag(lag_latents=LAP_LATENTS), way, 72)
    assert not set(lag[60].memory_frames()) & set(found[60].memory_frames())


def test_a_resumed_rollout_has_the_same_plans(backbone: Backbone) -> None:
    def rollout() -> Rollout:
        noise = SeededNoise(0, WALK)
        return Rollout(backbone, StreetOracle(), WALK, noise, 2 * LAP_LATENTS, 0)

    whole = list(rollout().blocks())
    first = torch.cat([block.latents for block in whole[:9]])
    resumed = list(rollout().blocks(first))
    assert [block.plan for block in resumed] == [block.plan for block in whole]
    assert torch.equal(resumed[-1].latents, whole[-1].latents)


def test_nothing_is_remembered_before_something_returns(backbone: Backbone) -> None:
    found = plans(backbone, StreetOracle(), "noon grassy six walking", 30)
    assert not found[18].memory_frames() and not found[27].memory_frames()
    assert all(not plan.memory_frames() for block, plan in found.items() if block < 17)


def test_a_backbone_of_other_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="blocks of 3 latent frames"):
        StreetOracle().reset(RolloutSpec(8, 4, 12, 12, 1024, (16, 8, 8), seed=0))
