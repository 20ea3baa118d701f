from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.engine.backbone import Backbone
from backbones.engine.weights import load_strictly, read_tensors
from backbones.tiny.backbone import DATA
from backbones.tiny.vae import TinyVAE
from backbones.world.render import render
from backbones.world.scene import sample_scenes

pytestmark = pytest.mark.slow

NUM_LATENTS = 7


@pytest.fixture(scope="module")
def vae() -> TinyVAE:
    model = TinyVAE()
    load_strictly(model, read_tensors(DATA / "vae.safetensors", torch.float32), "VAE")
    return model.eval().requires_grad_(False)


@settings(max_examples=12, deadline=None)
@given(cuts=st.sets(st.integers(1, NUM_LATENTS - 1)))
def test_any_chunking_decodes_to_the_same_frames(tiny: Backbone, cuts: set[int]) -> None:
    latents = torch.randn(NUM_LATENTS, 16, 16, 16, generator=torch.Generator().manual_seed(5))
    whole = tiny.start_decoder().decode(latents)
    decoder = tiny.start_decoder()
    bounds = [0, *sorted(cuts), NUM_LATENTS]
    chunks = [decoder.decode(latents[a:b]) for a, b in itertools.pairwise(bounds)]
    assert len(whole) == 4 * NUM_LATENTS - 3
    assert torch.equal(torch.cat(chunks), whole)


def test_round_trip_of_the_world_keeps_the_picture(vae: TinyVAE) -> None:
    frames = torch.arange(100, 133)
    video = render(sample_scenes(1, seed=77), frames)[0].transpose(0, 1)
    decoded = vae.decode(vae.encode(video), {})[3:].clamp(-1, 1)
    assert decoded.shape == video.shape
    psnr = 10 * math.log10(4 / float((decoded - video).square().mean()))
    assert psnr > 30


def test_latents_are_normalised_by_the_stored_statistics(vae: TinyVAE, tiny: Backbone) -> None:
    video = render(sample_scenes(1, seed=3), torch.arange(200, 217))[0].transpose(0, 1)
    latents = vae.encode(video)
    normalised = (latents - tiny.start_decoder()._mean_C11) / tiny.start_decoder()._std_C11
    assert abs(float(normalised.std()) - 1) < 0.35
