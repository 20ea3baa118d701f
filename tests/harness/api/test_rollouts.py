from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import harness
from tests.conftest import PROMPT
from tests.harness.support import copy_rollout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def backbone() -> harness.Backbone:
    return harness.load_backbone("street", device="cpu", denoising_step_list=[1000])


def test_blocks_have_the_bits_of_a_sweep(swept: harness.Result, backbone: harness.Backbone) -> None:
    unit = swept.store.units.set_index("method").loc["rag"]
    blocks = list(harness.rollout(backbone, unit["prompt"], "rag", duration=6))
    saved = load_file(Path(unit["folder"]) / "latents.safetensors")["latents"]
    assert torch.equal(torch.cat([block.latents for block in blocks]), saved)
    traces = swept.store.traces
    last = traces[(traces["method"] == "rag") & (traces["block"] == blocks[-1].index)]
    assert list(blocks[-1].plan.frames) == list(last["frame"])
    assert all(block.timings().whole_s > 0 for block in blocks)


def test_a_block_is_made_when_it_is_asked_for(backbone: harness.Backbone) -> None:
    blocks = harness.rollout(backbone, PROMPT, duration=120)
    decoder = backbone.start_decoder()
    shapes = [tuple(decoder.decode(next(blocks).latents).shape) for _ in range(2)]
    assert shapes == [(9, 64, 64, 3), (12, 64, 64, 3)]


def test_a_strategy_may_be_an_object_with_arguments(backbone: harness.Backbone) -> None:
    strategy = harness.load_method("rag", memory_latents=2, layout="aged")
    plans = [block.plan for block in harness.rollout(backbone, PROMPT, strategy, duration=6)]
    assert len(plans[-1].memory_frames()) == 2
    again = [block.plan for block in harness.rollout(backbone, PROMPT, strategy, duration=6)]
    assert plans == again


def test_a_strategy_of_the_working_folder_is_found_by_its_path(
    folder: Path, backbone: harness.Backbone
) -> None:
    text = "from methods.controls import Oldest\n\n\nclass Mine(Oldest):\n    '''Mine.'''\n"
    (folder / "mine.py").write_text(text)
    block = next(harness.rollout(backbone, PROMPT, "mine:Mine", duration=3))
    assert block.first_frame == 0


def test_wrong_names_arguments_and_durations_are_refused(backbone: harness.Backbone) -> None:
    with pytest.raises(harness.UnknownName, match="Did you mean 'street'"):
        harness.load_backbone("stret")
    with pytest.raises(harness.UnknownName, match="memory_latents"):
        harness.load_method("rag", memory_latent=2)
    with pytest.raises(harness.ConfigError, match="nearest"):
        harness.rollout(backbone, PROMPT, duration=1)
    with pytest.raises(harness.LongtakeError, match="prompt"):
        harness.rollout(backbone, "a cat", duration=3)


def test_a_large_text_encoder_needs_the_prompts_when_it_is_loaded() -> None:
    arguments = {"weights": "random", "flavor": "debug"}
    wan = harness.load_backbone("self_forcing", prompts=["a cat"], device="cpu", **arguments)
    assert next(harness.rollout(wan, "a cat", duration=3)).latents.ndim == 4
    with pytest.raises(harness.ConfigError, match="was not among the prompts"):
        harness.rollout(wan, "a dog", duration=3)


def test_a_recording_is_replayed(tmp_path: Path) -> None:
    result = harness.replay(copy_rollout("rag_avg_pool", tmp_path, 3))
    assert result.passes(1e-3)
    with pytest.raises(harness.ConfigError, match="not a recorded rollout"):
        harness.replay(tmp_path / "none.safetensors")
