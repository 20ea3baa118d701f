"""The VAE of the street: decoding in any chunks, the round trip, normalised latents."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.street.backbone import StreetBackbone
from backbones.street.encoder import load_encoder
from backbones.world.street.render import render
from backbones.world.street.scene import draw_street
from backbones.world.street.script import Script

pytestmark = pytest.mark.slow

NUM_LATENTS = 7


@pytest.fixture(scope="module")
def video() -> Tensor:
    """Three seconds of a walk."""
    script = Script.of_segments([(3.0, "noon grassy four walking")])
    return render(draw_street(4, seed=77), script)


@settings(max_examples=12, deadline=None)
@given(cuts=st.sets(st.integers(1, NUM_LATENTS - 1)))
def test_any_chunking_decodes_to_the_same_frames(small: Backbone, cuts: set[int]) -> None:
    latents = torch.randn(NUM_LATENTS, 16, 8, 8, generator=torch.Generator().manual_seed(5))
    whole = small.start_decoder().decode(latents)
    decoder = small.start_decoder()
    bounds = [0, *sorted(cuts), NUM_LATENTS]
    chunks = [decoder.decode(latents[a:b]) for a, b in itertools.pairwise(bounds)]
    assert len(whole) == 4 * NUM_LATENTS - 3
    assert torch.equal(torch.cat(chunks), whole)


def test_round_trip_of_the_street_keeps_the_picture(video: Tensor) -> None:
    backbone = StreetBackbone().load(torch.device("cpu"), [])
    assert backbone.encode_video is not None
    decoded = backbone.start_decoder().decode(backbone.encode_video(video))
    decoded = decoded.permute(0, 3, 1, 2).float() / 127.5 - 1
    assert decoded.shape == video.shape
    psnr = 10 * math.log10(4 / float((decoded - video).square().mean()))
    assert psnr > 20


def test_latents_are_normalised(video: Tensor) -> None:
    assert abs(float(load_encoder()(video).std()) - 1) < 0.35
