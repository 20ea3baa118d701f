"""Training of the retrieval autoencoder: AdamW on chunks of consecutive clean latents.

State can be saved after any step. A run resumed from it is bit-identical to an uninterrupted one on
the same CPU with the same number of threads. On a GPU the batches are the same, but cuDNN
adds the gradients of convolutions in no fixed order, so that weights differ from run to run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.nn.utils import get_total_norm

from harness.core.errors import ConfigError, TrainingDiverged
from harness.core.sealed import read_state, write_state
from methods.encoders.batches import draw_batch, split_corpus
from methods.encoders.losses import (
    LossParts,
    LossSettings,
    all_losses,
    trajectory_smoothing,
    window_temporal_delta,
)
from methods.encoders.network import AutoencoderConfig, LatentAutoencoder
from methods.encoders.retrieval_estimates import retrieval_estimates

if TYPE_CHECKING:
    from torch import Tensor

    from methods.encoders.corpus import Corpus

_VALIDATION_CHUNKS = 64
_GRADIENT_CHUNKS = 8  # of them


@dataclass
class NetworkSettings:
    """Size of the network; the latent shape comes from the corpus.

    Args:
        latent_dim: length of a descriptor.
        hidden_dims: channels after each stride-2 convolution.
    """

    latent_dim: int = 1024
    hidden_dims: list[int] = field(default_factory=lambda: [64, 128, 256])


@dataclass
class TrainingSettings:
    """Everything that decides the weights of a trained encoder.

    Args:
        loss: parts of the loss.
        network: size of the network.
        steps: optimizer steps.
        batch_chunks: chunks of a step.
        chunk_latents: consecutive latent frames of a chunk.
        latent_size: height and width that latents are resized to, to train at the size of a
            backbone that can't be run; None leaves them as they are.
        learning_rate: of AdamW, constant.
        weight_decay: of AdamW.
        gradient_clip: largest norm of the gradient.
        validation_share: share of the prompts that is held out.
        validate_every: steps between two validations and saves.
        seed: of the initial weights and the batches.
    """

    loss: LossSettings = field(default_factory=LossSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    steps: int = 4000
    batch_chunks: int = 128
    chunk_latents: int = 8
    latent_size: list[int] | None = None
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    validation_share: float = 0.1
    validate_every: int = 100
    seed: int = 0

    def check(self) -> None:
        """Raise an error for settings that cannot be trained.

        Raises:
            ConfigError: a number out of its range.
        """
        for key in ("steps", "batch_chunks", "validate_every"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} must be at least 1, got {getattr(self, key)}.")
        for key in ("learning_rate", "gradient_clip"):
            if not 0 < getattr(self, key) < math.inf:
                raise ConfigError(f"{key} must be positive, got {getattr(self, key)}.")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay can't be negative, got {self.weight_decay}.")
        if min(self.network.latent_dim, *self.network.hidden_dims, 1) < 1:
            raise ConfigError("network.latent_dim and network.hidden_dims must be positive.")
        if not self.network.hidden_dims:
            raise ConfigError("network.hidden_dims must name at least one size.")
        if not 0 < self.validation_share < 1:
            raise ConfigError(f"validation_share must lie within 0..1: {self.validation_share}.")
        if (size := self.latent_size) is not None and (len(size) != 2 or min(size) < 1):
            raise ConfigError(f"latent_size must be [height,width], both positive; got {size}.")
        self.loss.check(self.chunk_latents)


@dataclass(frozen=True)
class Validation:
    """One line of the curves; `values` are train_*, val_* and the estimates of retrieval."""

    step: int
    values: dict[str, float]
    improved: bool


class Trainer:
    """Trains one autoencoder.

    Args:
        corpus: the training data.
        settings: size of the network, loss and optimizer.
        device: the device to train on.

    Attributes:
        lines: curves.csv so far, which the owner of the trainer fills and `save` includes.

    Raises:
        ConfigError: settings that can't be trained, or a corpus too small for them.
    """

    def __init__(self, corpus: Corpus, settings: TrainingSettings, device: torch.device) -> None:
        settings.check()
        self._corpus, self._settings, self._device = corpus, settings, device
        self._split = split_corpus(corpus, settings.validation_share, settings.chunk_latents)
        channels, *size = corpus.index.latent_shape
        height, width = self._size = settings.latent_size or size
        config = AutoencoderConfig(
            channels,
            height,
            width,
            settings.network.latent_dim,
            tuple(settings.network.hidden_dims),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.model = LatentAutoencoder(config).to(device)
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.step = 0
        self.best = math.inf
        self.lines: list[dict[str, float]] = []
        self._recent: list[dict[str, float]] = []  # of the steps since the last validation

    def run(self, on_step: Callable[[int], None]) -> Iterator[Validation]:
        """Train to the last step, yielding at every validation.

        Args:
            on_step: called with the number of steps made, after each step and its validation. It
                may raise an error to stop; `save` then includes every step.

        Raises:
            TrainingDiverged: a loss or gradient became infinite or NaN; names the step.
        """
        settings = self._settings
        while self.step < settings.steps:
            started = time.perf_counter()
            losses = {f"train_{key}": value for key, value in self._train_step().items()}
            self._recent.append(losses | {"step_s": time.perf_counter() - started})
            self.step += 1
            if self.step % settings.validate_every == 0 or self.step == settings.steps:
                yield self._validation()
            on_step(self.step)

    def _validation(self) -> Validation:
        values = {key: fmean(row[key] for row in self._recent) for key in self._recent[0]}
        measured = self.validate()
        losses = {key: value for key, value in measured.items() if key.startswith("val_")}
        if not all(math.isfinite(value) for value in losses.values()):
            raise self._diverged(f"in the validation after step {self.step}", _text(losses))
        improved = measured["val_total"] < self.best
        self.best = min(self.best, measured["val_total"])
        self._recent = []
        return Validation(self.step, values | measured, improved)

    def _diverged(self, where: str, numbers: str) -> TrainingDiverged:
        kept = (
            "The checkpoints of the last validation are kept"
            if math.isfinite(self.best)
            else "No validation came before it, so there is no checkpoint"
        )
        return TrainingDiverged(
            f"Training diverged {where}: {numbers}. {kept}; lower learning_rate= or check the "
            "corpus."
        )

    def _train_step(self) -> dict[str, float]:
        settings = self._settings
        batch = self._batch(
            self._split.train, settings.batch_chunks, f"{settings.seed}/train/{self.step}"
        )
        self.model.train()
        parts = self._losses(batch)
        self._optimizer.zero_grad(set_to_none=True)
        parts.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), settings.gradient_clip)
        values = _numbers(parts)
        if not math.isfinite(values["total"]) or not math.isfinite(float(norm)):
            data = "finite" if bool(torch.isfinite(batch).all()) else "NOT finite"
            raise self._diverged(
                f"at step {self.step}",
                f"{_text(values)}, gradient norm {float(norm):.4g}, latents of the batch {data}",
            )
        self._optimizer.step()
        return values

    def _losses(self, batch_BTCHW: Tensor) -> LossParts:
        on_gpu = self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=on_gpu):
            reconstructed, descriptors = self.model(batch_BTCHW.flatten(0, 1))
        shape = batch_BTCHW.shape[:2]
        return all_losses(
            batch_BTCHW,
            reconstructed.unflatten(0, shape),
            descriptors.unflatten(0, shape),
            self._settings.loss,
        )

    def validate(self) -> dict[str, float]:
        """Compute losses on fixed chunks of the held-out prompts, and estimates of retrieval."""
        self.model.eval()
        batch = self._batch(self._split.validation, _VALIDATION_CHUNKS, "validation")
        with torch.inference_mode():
            values = {f"val_{key}": v for key, v in _numbers(self._losses(batch)).items()}
            videos = [
                retrieval_estimates(self.model.encoder(self._resized(self._corpus.read(position))))
                for position in self._split.validation
            ]
        values |= self._gradients(batch[:_GRADIENT_CHUNKS])
        return values | {key: fmean(video[key] for video in videos) for key in videos[0]}

    def _gradients(self, batch_BTCHW: Tensor) -> dict[str, float]:
        """Return how far the delta and the smoothing loss pull at the encoder, before weighting.

        Returns:
            delta_gradient, smooth_gradient: norms of the gradients in the encoder's weights.
            length: mean length of a descriptor before normalisation.
        """
        loss, weights = self._settings.loss, list(self.model.encoder.parameters())
        descriptors = self.model.encoder(batch_BTCHW.flatten(0, 1))
        descriptors_BTD = descriptors.unflatten(0, batch_BTCHW.shape[:2])
        parts = {
            "delta_gradient": window_temporal_delta(descriptors_BTD, loss.window, loss.margin),
            "smooth_gradient": trajectory_smoothing(descriptors_BTD, loss.normalise),
        }
        norms = {
            key: float(get_total_norm(torch.autograd.grad(part, weights, retain_graph=True)))
            for key, part in parts.items()
        }
        return norms | {"length": float(descriptors.detach().norm(dim=-1).mean())}

    def _batch(self, positions: tuple[int, ...], size: int, key: str) -> Tensor:
        chunk_latents = self._settings.chunk_latents
        batch_BTCHW = draw_batch(self._corpus, positions, size, chunk_latents, key)
        return self._resized(batch_BTCHW.flatten(0, 1)).unflatten(0, (size, chunk_latents))

    def _resized(self, latents_FCHW: Tensor) -> Tensor:
        """Return latents on the device, in the size to train at."""
        latents_FCHW = latents_FCHW.to(self._device)
        if [*latents_FCHW.shape[-2:]] == [*self._size]:
            return latents_FCHW
        return F.interpolate(latents_FCHW, [*self._size], mode="bilinear")

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs to continue exactly."""
        write_state(
            path,
            {
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "step": self.step,
                "best": self.best,
                "lines": self.lines,
                "recent": self._recent,
            },
        )

    def restore(self, path: Path) -> None:
        """Continue from the output of `save` with the same settings.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: the file is not what was written.
        """
        state = read_state(path)
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], state["best"]
        self.lines, self._recent = state["lines"], state["recent"]


def _text(values: dict[str, float]) -> str:
    return ", ".join(f"{key}={value:.4g}" for key, value in values.items())


def _numbers(parts: LossParts) -> dict[str, float]:
    return {
        "total": float(parts.total.detach()),
        "recon": float(parts.recon.detach()),
        "delta": float(parts.delta.detach()),
        "smooth": float(parts.smooth.detach()),
    }
