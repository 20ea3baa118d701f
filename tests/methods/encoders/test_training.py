from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.core.errors import LongtakeError, TrainingDiverged
from methods.encoders.autoencoder import AutoencoderDescriptor
from methods.encoders.batches import draw_batch, split_corpus
from methods.encoders.checkpoint import Training, write_checkpoint
from methods.encoders.corpus import Corpus
from methods.encoders.losses import LossSettings
from methods.encoders.pca import Pca, fit_pca
from methods.encoders.retrieval_estimates import retrieval_estimates
from methods.encoders.training import NetworkSettings, Trainer, TrainingSettings

SETTINGS = TrainingSettings(
    network=NetworkSettings(8, [64]), steps=12, batch_chunks=4, validate_every=4
)  # 64 channels: with fewer, every channel is a norm group of its own and means are lost
CPU = torch.device("cpu")


def nothing(step: int) -> None:
    pass


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in trainer.model.state_dict().values()])


@pytest.mark.slow
def test_training_lowers_the_validation_loss(corpus: Corpus) -> None:
    trainer = Trainer(corpus, replace(SETTINGS, steps=60, learning_rate=3e-3), CPU)
    before = trainer.validate()["val_total"]
    lines = list(trainer.run(nothing))
    assert lines[-1].values["val_total"] < 0.85 * before
    assert [line.step for line in lines] == list(range(4, 61, 4))


def test_a_resumed_run_ends_in_the_same_bits(corpus: Corpus, tmp_path: Path) -> None:
    whole = Trainer(corpus, SETTINGS, CPU)
    whole_lines = list(whole.run(nothing))
    first = Trainer(corpus, replace(SETTINGS, steps=8), CPU)
    assert len(list(first.run(nothing))) == 2
    first.save(tmp_path / "state.pt")
    second = Trainer(corpus, SETTINGS, CPU)
    second.restore(tmp_path / "state.pt")
    (line,) = second.run(nothing)
    assert torch.equal(weights(whole), weights(second))
    shown = {key: value for key, value in line.values.items() if key != "step_s"}
    assert shown == {k: v for k, v in whole_lines[-1].values.items() if k != "step_s"}


def test_the_seed_decides_weights_and_batches(corpus: Corpus) -> None:
    one, same = Trainer(corpus, SETTINGS, CPU), Trainer(corpus, SETTINGS, CPU)
    other = Trainer(corpus, replace(SETTINGS, seed=1), CPU)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    batches = [draw_batch(corpus, (0, 1), 3, 8, key) for key in ("0/train/5", "0/train/5", "0")]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_the_delta_loss_pushes_neighbours_apart(corpus: Corpus) -> None:
    loss = LossSettings(recon_weight=0.1, smooth_weight=0.0, margin=0.2)
    settings = replace(SETTINGS, loss=loss, steps=60, learning_rate=3e-3, validate_every=60)
    trainer = Trainer(corpus, settings, CPU)
    before = trainer.validate()
    (line,) = trainer.run(nothing)
    assert line.values["train_delta"] < 0.7 * before["val_delta"]
    assert line.values["near_cosine"] < before["near_cosine"] - 0.03


def test_equal_descriptors_leave_the_delta_loss_without_a_gradient(corpus: Corpus) -> None:
    trainer = Trainer(corpus, SETTINGS, CPU)
    before = trainer.validate()
    with torch.no_grad():
        trainer.model.encoder.fc.weight.mul_(1e-4)
        trainer.model.encoder.fc.bias.fill_(1.0)
    after = trainer.validate()
    assert after["near_cosine"] > 0.9999
    assert after["val_delta"] == pytest.approx(0.15, abs=1e-4)  # 1 - the margin, its largest value
    assert after["delta_gradient"] < 1e-4 * before["delta_gradient"]
    assert after["length"] == pytest.approx(8**0.5, rel=1e-3)


def test_latents_are_trained_on_at_another_size(corpus: Corpus) -> None:
    channels, height, width = corpus.index.latent_shape
    size = [height * 3, width * 2]
    trainer = Trainer(corpus, replace(SETTINGS, steps=1, latent_size=size), CPU)
    assert trainer.model.config.latent_shape == (channels, *size)
    (line,) = trainer.run(nothing)
    assert line.values["val_total"] > 0


def test_training_stops_where_it_diverges(corpus: Corpus) -> None:
    trainer = Trainer(corpus, replace(SETTINGS, steps=8), CPU)
    made = []

    def poison(step: int) -> None:
        made.append(step)
        if step == 5:
            with torch.no_grad():
                trainer.model.encoder.fc.bias.fill_(float("nan"))

    with pytest.raises(TrainingDiverged, match=r"at step 5: total=nan.*batch finite"):
        list(trainer.run(poison))
    assert made == [1, 2, 3, 4, 5]


def test_whole_prompts_are_held_out(corpus: Corpus) -> None:
    split = split_corpus(corpus, 0.25, 8)
    prompts = [
        {corpus.index.samples[p].prompt for p in part} for part in (split.train, split.validation)
    ]
    assert not prompts[0] & prompts[1]
    assert (len(split.train), len(split.validation)) == (3, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk_latents": 41}, "has 40 latent frames; a chunk needs 41"),
        ({"loss": LossSettings(window=8)}, "offsets 1..7"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
        ({"network": NetworkSettings(8, [])}, "at least one size"),
        ({"latent_size": [8]}, r"latent_size must be \[height,width\]"),
        ({"validation_share": 1.0}, "within 0..1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    corpus: Corpus, change: dict[str, object], message: str
) -> None:
    with pytest.raises(LongtakeError, match=message):
        Trainer(corpus, replace(SETTINGS, **change), CPU)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "index.json").unlink(), "python -m harness latents"),
        (
            lambda folder: (folder / "index.json").write_text("{}"),
            "missing required field `latent_shape`",
        ),
        (lambda folder: (folder / "latents-00000.safetensors").unlink(), "is missing"),
        (
            lambda folder: (folder / "latents-00000.safetensors").write_bytes(b"x" * 50),
            "latents to make it again",
        ),
    ],
)
def test_a_damaged_corpus_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    from tests.methods.conftest import write_corpus

    write_corpus(tmp_path / "c", num_samples=2)
    damage(tmp_path / "c")
    with pytest.raises(LongtakeError, match=message):
        Corpus.load(tmp_path / "c").read(0)


def test_retrieval_estimates_of_a_circle_are_known() -> None:
    """One turn in 60 frames: the most similar old frames are neighbours of each other."""
    angles = torch.arange(80) * 2 * torch.pi / 60
    numbers = retrieval_estimates(torch.stack([angles.cos(), angles.sin()], dim=1))
    assert numbers["near_cosine"] == pytest.approx(float((angles[1]).cos()), abs=1e-5)
    assert numbers["duplicates"] > 0.98
    short = retrieval_estimates(torch.eye(10))
    assert short["near_cosine"] == 0.0
    assert short["duplicates"] != short["duplicates"]  # NaN: nothing to retrieve yet


def test_a_trained_encoder_carries_its_backbones(corpus: Corpus, tmp_path: Path) -> None:
    trainer = Trainer(corpus, SETTINGS, CPU)
    training = Training(backbones=corpus.index.backbones, step=1)
    for name in ("encoder.safetensors", "ae_latent_mem.pt"):
        write_checkpoint(tmp_path / name, trainer.model, training)
        encoder = AutoencoderDescriptor(str(tmp_path / name))
        assert encoder.trained_on == corpus.index.backbones
        encoder.prepare((16, 8, 8))
        with pytest.raises(LongtakeError, match=r"shape \(16, 8, 8\)"):
            encoder.prepare((16, 60, 104))


def test_principal_components_are_those_of_the_exact_decomposition(
    corpus: Corpus, tmp_path: Path
) -> None:
    path = tmp_path / "pca.safetensors"
    kept = fit_pca(corpus, 6, 0, path, Training(backbones=corpus.index.backbones))
    frames = (
        torch.cat([corpus.read(position) for position in range(len(corpus))]).flatten(1).double()
    )
    _, values, components = torch.linalg.svd(frames - frames.mean(0), full_matrices=False)
    assert kept == pytest.approx(float(values[:6].square().sum() / values.square().sum()), rel=1e-3)
    pca = Pca(str(path))
    pca.prepare((16, 8, 8))
    exact = (frames[:5] - frames.mean(0)) @ components[:6].T
    cosines = torch.nn.functional.normalize(exact) @ torch.nn.functional.normalize(exact).T
    found = pca.embed(corpus.read(0, 0, 5)).double()
    torch.testing.assert_close(found @ found.T, cosines, atol=1e-3, rtol=1e-3)
    with pytest.raises(LongtakeError, match="too many"):
        fit_pca(corpus, 10_000, 0, path, Training())


def test_principal_components_are_copied_to_a_device_once(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "pca.safetensors"
    fit_pca(corpus, 6, 0, path, Training(backbones=corpus.index.backbones))
    pca = Pca(str(path))
    latents = corpus.read(0, 0, 5).to("meta")
    pca.embed(latents)
    kept = pca._components_DV
    pca.embed(latents)
    assert kept.is_meta and pca._components_DV is kept
