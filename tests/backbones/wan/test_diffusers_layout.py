"""Weights in the layout of diffusers, by diffusers' own classes, load as those of Wan's layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from backbones.wan import backbone as wan
from backbones.wan.backbone import SelfForcing
from backbones.wan.catalogue import DEBUG, WAN_1_3B, Shape
from backbones.wan.diffusers_layout import wan_names
from backbones.wan.loading import Models
from backbones.wan.random_weights import random_tensors
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanVAE
from harness.core.errors import MissingWeights

pytestmark = pytest.mark.slow


def diffusers_models(shape: Shape) -> tuple[WanTransformer3DModel, AutoencoderKLWan]:
    sizes, vae = shape.transformer, shape.vae
    with torch.device("meta"):
        return WanTransformer3DModel(
            num_attention_heads=sizes.num_heads,
            attention_head_dim=sizes.head_dim,
            ffn_dim=sizes.ffn_dim,
            num_layers=sizes.num_layers,
            freq_dim=sizes.freq_dim,
            text_dim=sizes.text_dim,
        ), AutoencoderKLWan(base_dim=vae.base_dim, num_res_blocks=vae.num_res_blocks)


@pytest.mark.parametrize("shape", [WAN_1_3B, DEBUG], ids=["released", "debug"])
def test_names_and_shapes_are_those_of_diffusers(shape: Shape) -> None:
    with torch.device("meta"):
        ours = CausalWanTransformer(shape.transformer), WanVAE(shape.vae)
    for mine, theirs in zip(ours, diffusers_models(shape), strict=True):
        renamed = wan_names(theirs.state_dict())
        expected = {name: tensor.shape for name, tensor in mine.state_dict().items()}
        assert {name: tensor.shape for name, tensor in renamed.items()} == expected
        assert list(wan_names(mine.state_dict())) == list(expected)


def in_diffusers_layout(theirs: torch.nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of Wan's layout under the names of a model of diffusers."""
    names = wan_names({name: name for name in theirs.state_dict()})  # type: ignore[dict-item]
    return {name: state[ours] for name, ours in zip(theirs.state_dict(), names, strict=True)}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders of a transformer in two files and of a VAE, as diffusers saves them."""
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(wan, "WAN_1_3B", DEBUG)
    models = diffusers_models(DEBUG)
    for name, ours, theirs in (
        ("transformer", CausalWanTransformer(DEBUG.transformer), models[0]),
        ("vae", WanVAE(DEBUG.vae), models[1]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        tensors = list(in_diffusers_layout(theirs, random_tensors(ours, 0, torch.float32)).items())
        for index, part in enumerate((tensors[::2], tensors[1::2]), start=1):
            save_file(dict(part), folder / f"diffusion_pytorch_model-{index}-of-2.safetensors")
        (folder / "config.json").write_text("{}")
    return tmp_path / "transformer", tmp_path / "vae"


def fill(source: SelfForcing) -> Models:
    models = Models.empty(DEBUG, source.precision, source.vae_precision)
    models.fill(source.release, source._files())
    return models


def test_folders_of_diffusers_load_as_the_same_weights(folders: tuple[Path, Path]) -> None:
    source = SelfForcing(generator=str(folders[0]), vae=str(folders[1]))
    loaded = fill(source)
    expected = Models.empty(DEBUG, source.precision, source.vae_precision)
    expected.fill_randomly(0)
    for mine, other in ((loaded.transformer, expected.transformer), (loaded.vae, expected.vae)):
        state = other.state_dict()
        assert all(torch.equal(t, state[name]) for name, t in mine.state_dict().items())


def test_the_files_of_a_folder_are_named_and_none_may_be_missing_or_double(
    folders: tuple[Path, Path],
) -> None:
    transformer, vae = folders
    source = SelfForcing(generator=str(transformer), vae=str(vae))
    roles = [file.role for file in source.files()]
    assert roles[:2] == [
        f"generator/diffusion_pytorch_model-{index}-of-2.safetensors" for index in (1, 2)
    ]
    first, second = sorted(transformer.glob("*.safetensors"))
    third = transformer / "z.safetensors"
    third.write_bytes(first.read_bytes())
    with pytest.raises(MissingWeights, match="transformer holds a tensor in two of its files"):
        fill(source)
    third.unlink()
    second.unlink()
    with pytest.raises(MissingWeights, match=r"does not fit CausalWanTransformer: .*is missing"):
        fill(source)
    first.unlink()
    with pytest.raises(MissingWeights, match=r"\*\.safetensors\. backbone\.generator names it"):
        source.identity()
