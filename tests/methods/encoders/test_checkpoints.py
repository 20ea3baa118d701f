"""The network and its checkpoints: the released layout, any latent shape, what is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.core.errors import LongtakeError, MissingWeights
from methods.base import RolloutSpec
from methods.encoders.checkpoint import (
    Training,
    find_checkpoint,
    read_checkpoint,
    shipped_encoders,
    write_checkpoint,
)
from methods.encoders.network import AutoencoderConfig, LatentAutoencoder
from methods.rag import Rag

GOLDEN = Path(__file__).parents[2] / "golden" / "rag_autoencoder_ae.safetensors"
RELEASED = AutoencoderConfig(16, 60, 104, 1024, (64, 128, 256))


def test_the_released_network_has_its_size_and_fits_its_latents() -> None:
    model = LatentAutoencoder(RELEASED)
    latents = torch.randn(1, 16, 60, 104)
    reconstructed, descriptors = model(latents)
    assert descriptors.shape == (1, 1024)
    assert reconstructed.shape == latents.shape  # 60 rows become 64 and are cropped
    names = set(model.state_dict())
    golden = set(read_checkpoint(GOLDEN).tensors)
    assert names == golden  # three stages there as well


def test_a_released_checkpoint_makes_the_round_trip(tmp_path: Path) -> None:
    """ae_latent_mem.pt holds `model` and a `config` with all settings of its training."""
    golden = read_checkpoint(GOLDEN)
    config = {
        "in_channels": 16, "spatial_h": 16, "spatial_w": 16, "latent_dim": 128,
        "hidden_dims": [32, 64, 128], "delta_margin": 0.85, "seed": 42,
    }  # fmt: skip
    released = tmp_path / "ae_latent_mem.pt"
    torch.save({"model": dict(golden.tensors), "config": config, "epoch": 3}, released)
    read = read_checkpoint(released)
    assert read.config == golden.config
    assert read.training == Training()  # its origin is unknown
    for name in ("again.pt", "again.safetensors"):
        write_checkpoint(tmp_path / name, read.autoencoder(), read.training)
        again = read_checkpoint(tmp_path / name)
        assert again.config == golden.config
        assert all(torch.equal(again.tensors[key], golden.tensors[key]) for key in golden.tensors)
    content = torch.load(tmp_path / "again.pt", weights_only=True)
    assert set(content) >= {"model", "config"}


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_a_checkpoint_that_is_cut_anywhere_is_named(tmp_path: Path, name: str) -> None:
    """Few bytes as well, of which torch seeks before the start."""
    whole, cut = tmp_path / f"whole_{name}", tmp_path / name
    write_checkpoint(whole, LatentAutoencoder(AutoencoderConfig(4, 7, 5, 8, (8,))), Training())
    data = whole.read_bytes()
    for length in (0, 1, 2, 9, 100, 1500, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(MissingWeights, match=name):
            read_checkpoint(cut)


@pytest.mark.parametrize("shape", [(16, 16, 16), (4, 7, 5), (48, 44, 80)])
def test_any_latent_shape_is_reconstructed_at_its_size(shape: tuple[int, int, int]) -> None:
    model = LatentAutoencoder(AutoencoderConfig(*shape, 8, (8, 16, 8)))
    latents = torch.randn(2, *shape)
    assert model(latents)[0].shape == latents.shape


def test_residual_blocks_begin_as_the_identity() -> None:
    model = LatentAutoencoder(AutoencoderConfig(16, 8, 8, 8, (64,)))
    block = model.encoder.conv_stack[3]
    x = torch.randn(1, 64, 4, 4)
    assert torch.equal(block(x), x)


def test_shipped_encoders_record_their_training() -> None:
    assert shipped_encoders() == ["street_delta", "street_full", "street_recon", "street_smooth"]
    for name in shipped_encoders():
        checkpoint = read_checkpoint(find_checkpoint(name))
        checkpoint.autoencoder()
        loss = name.removeprefix("street_")
        assert f"loss={loss}" in checkpoint.training.settings["command"]
        assert [b.partition("@")[0] for b in checkpoint.training.backbones] == [
            "street",
            "street_window",
        ]
    total = sum(find_checkpoint(name).stat().st_size for name in shipped_encoders())
    assert total < 8 * 2**20


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(LongtakeError, match="Did you mean 'street_full'"):
        find_checkpoint("street_ful")


def rollout(backbone: str) -> RolloutSpec:
    return RolloutSpec(120, 3, 12, 21, 1024, (16, 8, 8), 0, backbone=backbone)


def test_an_encoder_for_another_backbone_is_refused_unless_allowed() -> None:
    arguments = {"descriptor": "autoencoder", "checkpoint": "street_full"}
    Rag(**arguments).reset(rollout("street_window"))
    with pytest.raises(LongtakeError, match="allow_other_backbone=true"):
        Rag(**arguments).reset(rollout("self_forcing"))
    Rag(**arguments, allow_other_backbone=True).reset(rollout("self_forcing"))
