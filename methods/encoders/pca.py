"""Principal components of whole latent frames: the linear counterpart of the autoencoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harness.core.equal_bytes import write_tensors
from harness.core.errors import ConfigError, MissingWeights
from harness.core.untyped import json_object
from methods.encoders.checkpoint import Training, given_file
from methods.encoders.corpus import Corpus

_MOST_FRAMES = 8192  # evenly spaced over the corpus; 3 GiB at the size of Wan
_POWER_ITERATIONS = 4


class Pca:
    """The first principal components of a latent frame, fitted on a corpus.

    Args:
        checkpoint: a .safetensors file made by `train-encoder kind=pca`.

    Attributes:
        trained_on: fingerprints of the backbones of its corpus.
    """

    def __init__(self, checkpoint: str | None) -> None:
        path = given_file(
            checkpoint,
            "descriptor=pca needs its components: method.checkpoint=PATH, made by "
            "python -m harness train-encoder kind=pca corpus=FOLDER.",
        )
        try:
            with safe_open(path, "pt") as file:
                self._mean_CHW = file.get_tensor("mean")
                self._components_DV = file.get_tensor("components")
                text = (file.metadata() or {})["training"]
            self.trained_on = Training.of(json_object(text, "training")).backbones
        except (SafetensorError, KeyError, ValueError) as error:
            raise MissingWeights(f"{path.name} holds no principal components: {error}") from error
        self._sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def prepare(self, latent_shape: tuple[int, int, int]) -> None:
        if tuple(self._mean_CHW.shape) != latent_shape:
            raise ConfigError(
                f"The principal components are of latents of shape {tuple(self._mean_CHW.shape)}; "
                f"this backbone makes {latent_shape}."
            )

    def embed(self, inputs: Float[Tensor, "frame chan height width"]) -> Float[Tensor, "frame dim"]:
        # They stay on the device: at 480x832 they are 400 MB, too much to copy for every block.
        self._mean_CHW = self._mean_CHW.to(inputs.device)
        self._components_DV = self._components_DV.to(inputs.device)
        mean, components = self._mean_CHW.to(inputs), self._components_DV.to(inputs)
        return F.normalize((inputs - mean).flatten(1).float() @ components.T.float(), dim=-1)

    def fingerprint(self) -> str:
        return self._sha256


def fit_pca(corpus: Corpus, dim: int, seed: int, path: Path, training: Training) -> float:
    """Fit by randomised SVD on frames spread evenly over the corpus, and write the checkpoint.

    Returns:
        Share of the variance that the components keep.

    Raises:
        ConfigError: fewer frames or values than components.
    """
    counts = [sample.num_latents for sample in corpus.index.samples]
    step = max(1, -(-sum(counts) // _MOST_FRAMES))
    frames = torch.cat([corpus.read(position)[::step] for position in range(len(corpus))])
    flat = frames.flatten(1)
    if dim > min(flat.shape):
        raise ConfigError(
            f"{dim} components of {flat.shape[0]} frames of {flat.shape[1]} values: too many."
        )
    mean = flat.mean(0)
    centred = flat - mean
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, values, components = torch.svd_lowrank(
            centred, min(dim + 8, *flat.shape), niter=_POWER_ITERATIONS
        )
    tensors = {
        "mean": mean.reshape(corpus.index.latent_shape).contiguous(),
        "components": components[:, :dim].T.contiguous(),
    }
    origin = asdict(training) | {"backbones": list(training.backbones)}
    write_tensors(path, tensors, {"training": json.dumps(origin, sort_keys=True)})
    return float(values[:dim].square().sum() / centred.square().sum())
