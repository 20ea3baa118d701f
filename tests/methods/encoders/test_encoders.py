from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.core.errors import LongtakeError
from methods.encoders import ENCODERS
from methods.encoders.autoencoder import AutoencoderDescriptor
from methods.encoders.base import Source, source_of
from methods.encoders.checkpoint import read_checkpoint

CHECKPOINT = Path(__file__).parents[2] / "golden" / "rag_autoencoder_ae.safetensors"
LATENTS = torch.randn(5, 16, 16, 16, generator=torch.Generator().manual_seed(2))


def config() -> dict:
    with safe_open(CHECKPOINT, "pt") as file:
        return {"config": file.metadata()["config"]}


INPUTS = {
    Source.latents: LATENTS,
    Source.keys: torch.randn(5, 3, 8),
    Source.frames: torch.randint(256, (5, 32, 48, 3), dtype=torch.uint8),
}
# Weights of dino and pca are made in their own tests.
READY = ("avg_pool", "flat", "autoencoder", "mean_keys", "prompt_keys", "mobilenet")


@pytest.mark.parametrize("name", READY)
def test_descriptors_have_unit_length_and_do_not_depend_on_their_neighbours(name: str) -> None:
    encoder = ENCODERS.load(name)(str(CHECKPOINT) if name == "autoencoder" else None)
    inputs = INPUTS[source_of(encoder)]
    together = encoder.embed(inputs)
    torch.testing.assert_close(together.norm(dim=-1), torch.ones(5))
    alone = torch.cat([encoder.embed(one[None]) for one in inputs])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-6)


def test_the_released_pickle_layout_and_safetensors_give_the_same_descriptors(
    tmp_path: Path,
) -> None:
    import json

    path = tmp_path / "ae_latent_mem.pt"
    torch.save({"model": load_file(CHECKPOINT), "config": json.loads(config()["config"])}, path)
    released, ours = AutoencoderDescriptor(str(path)), AutoencoderDescriptor(str(CHECKPOINT))
    assert torch.equal(released.embed(LATENTS), ours.embed(LATENTS))
    assert released.fingerprint() != ours.fingerprint()


def test_latents_of_another_shape_are_refused() -> None:
    with pytest.raises(LongtakeError, match=r"\(16, 16, 16\)"):
        AutoencoderDescriptor(str(CHECKPOINT)).prepare((16, 60, 104))


@pytest.mark.parametrize("name", ["dino", "pca", "autoencoder"])
def test_encoders_without_their_weights_name_the_setting(name: str) -> None:
    with pytest.raises(LongtakeError, match=r"method\.checkpoint=PATH"):
        ENCODERS.load(name)(None)
    with pytest.raises(LongtakeError, match="no file 'gone"):
        ENCODERS.load(name)("gone.pt")


@pytest.mark.parametrize("name", ["avg_pool", "mean_keys", "mobilenet"])
def test_encoders_without_weights_refuse_a_checkpoint(name: str) -> None:
    with pytest.raises(LongtakeError, match=r"leave method.checkpoint empty"):
        ENCODERS.load(name)("x.pt")


class Payload:
    def __reduce__(self) -> tuple:
        return (print, ("executed",))


def test_damaged_and_hostile_checkpoints_are_refused(tmp_path: Path, capsys) -> None:
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(CHECKPOINT.read_bytes()[:5000])
    lacking = tmp_path / "lacking.safetensors"
    tensors = load_file(CHECKPOINT)
    del tensors["encoder.fc.bias"]
    save_file(tensors, lacking, config())
    hostile = tmp_path / "hostile.pt"
    torch.save({"model": Payload(), "config": {}}, hostile)
    unconfigured = tmp_path / "unconfigured.safetensors"
    save_file(load_file(CHECKPOINT), unconfigured)
    for path in (truncated, lacking, hostile, unconfigured):
        with pytest.raises(LongtakeError, match=path.name):
            AutoencoderDescriptor(str(path))
    assert "executed" not in capsys.readouterr().out


def test_checkpoints_that_cannot_be_read_are_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = tmp_path / "folder.safetensors"
    unreadable.mkdir()
    with pytest.raises(IsADirectoryError):
        read_checkpoint(unreadable)

    def full(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", full)
    (tmp_path / "large.pt").touch()
    with pytest.raises(MemoryError):
        read_checkpoint(tmp_path / "large.pt")
