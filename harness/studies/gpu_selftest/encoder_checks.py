"""Checks of retrieval encoders, their training, and networks that judge frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.determinism import full_float32, tf32
from harness.studies.gpu_selftest.claims import Claim, Outcome, at_most, true
from harness.studies.gpu_selftest.setup import CPU, Setup, relative
from methods.encoders.index import DescriptorIndex
from methods.encoders.network import AutoencoderConfig, ConvEncoder
from methods.encoders.training import NetworkSettings, Trainer, TrainingSettings
from methods.encoders.vit import VisionTransformer

if TYPE_CHECKING:
    from methods.encoders.corpus import Corpus

_DIM, _FRAMES, _COUNT = 64, 480, 6
_VIT_PX = 16
# Packages of the metrics' networks; docs/metrics.md says which metric needs which.
_JUDGES = ("open_clip", "timm", "pyiqa", "dreamsim", "vbench", "transformers")


@torch.inference_mode()
def encoder(setup: Setup) -> Outcome:
    """Descriptors against the CPU; search against sorting all, equal cosines included."""
    channels, height, width = setup.backbone().spec.geometry.latent_shape
    config = AutoencoderConfig(channels, height, width, _DIM, (16, 32))
    latents = _draw(3, channels, height, width)
    with full_float32():
        network = _seeded(lambda: ConvEncoder(config)).eval()
        there = F.normalize(network(latents), dim=-1)
        here = F.normalize(network.to(setup.device)(latents.to(setup.device)), dim=-1)
    descriptors = F.normalize(_draw(_FRAMES, _DIM), dim=-1)
    descriptors[100:110] = descriptors[90:100]  # pairs with equal cosines
    query = descriptors[95]
    index = DescriptorIndex(_FRAMES)
    index.add(descriptors.to(setup.device))
    found = index.search(query.to(setup.device), 0, _FRAMES, _COUNT).frames
    cosines = descriptors.to(setup.device) @ query.to(setup.device)
    order = sorted(range(_FRAMES), key=lambda frame: (-float(cosines[frame]), frame))
    return Outcome.of(
        [
            at_most("descriptors rel to the CPU", relative(here, there), 1e-5),
            true("search finds what sorting finds", found == tuple(order[:_COUNT])),
            true("equal cosines go to the older frame", found[:2] == (95, 105)),
        ]
    )


def encoder_training(setup: Setup) -> Outcome:
    """Training in the device's number format against float32, and after a restore."""
    steps = 20 if setup.on_gpu else 3
    corpus = _NoiseCorpus.of(setup.backbone().spec.geometry.latent_shape)
    settings = TrainingSettings(
        network=NetworkSettings(latent_dim=32, hidden_dims=[16, 32]),
        steps=steps,
        batch_chunks=4,
        validate_every=steps,
    )

    def trained(device: torch.device) -> tuple[Trainer, list[float]]:
        trainer = Trainer(cast("Corpus", corpus), settings, device)
        losses = [
            v.values["train_total"]
            for v in trainer.run(lambda _: None)
            if "train_total" in v.values
        ]
        return trainer, losses

    trainer, here = trained(setup.device)
    _, there = trained(CPU)
    state = setup.folder / "training"
    trainer.save(state)
    restored = Trainer(cast("Corpus", corpus), settings, setup.device)
    restored.restore(state)
    pairs = zip(trainer.model.parameters(), restored.model.parameters(), strict=True)
    step_s = [row["step_s"] for row in trainer._recent]
    return Outcome.of(
        [
            true("losses are finite", all(map(math.isfinite, here))),
            at_most("loss rel to float32", abs(here[-1] / there[-1] - 1), 0.02),
            true("restored weights are the same", all(torch.equal(a, b) for a, b in pairs)),
            at_most(
                "validation after the restore rel",
                abs(restored.validate()["val_total"] / trainer.validate()["val_total"] - 1),
                1e-3,
            ),
        ],
        ms_per_step=[1e3 * s for s in step_s],
    )


@torch.inference_mode()
def judges(setup: Setup) -> Outcome:
    """Networks that judge frames, seeded random weights: the device against the CPU."""
    side = 224 if setup.on_gpu else 2 * _VIT_PX
    images = _draw(2, 3, side, side)
    claims: list[Claim] = []
    for name, depth, dim in (("DINO ViT-S/16", 12 if setup.on_gpu else 2, 384),):
        network = VisionTransformer(_vit_tensors(depth, dim)).eval()
        there = network(images)
        network.to(setup.device)
        with full_float32():
            claims.append(_near(f"{name} rel", network(images.to(setup.device)), there, 1e-4))
        with tf32(True):
            claims.append(
                _near(f"{name} rel with TF32", network(images.to(setup.device)), there, 5e-3)
            )
    missing = [name for name in _JUDGES if find_spec(name) is None]
    return Outcome.of(claims, not_installed=missing)


def _near(text: str, found: Tensor, expected: Tensor, limit: float) -> Claim:
    return at_most(text, relative(found, expected), limit)


def _vit_tensors(depth: int, dim: int) -> dict[str, Tensor]:
    """Return seeded weights of a ViT that keep the scale of what passes through."""
    shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, 1 + 14 * 14, dim),
        "patch_embed.proj.weight": (dim, 3, _VIT_PX, _VIT_PX),
        "patch_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
    }
    for block in range(depth):
        for name, shape in {
            "norm1": (dim,),
            "attn.qkv": (3 * dim, dim),
            "attn.proj": (dim, dim),
            "norm2": (dim,),
            "mlp.fc1": (4 * dim, dim),
            "mlp.fc2": (dim, 4 * dim),
        }.items():
            shapes[f"blocks.{block}.{name}.weight"] = shape
            shapes[f"blocks.{block}.{name}.bias"] = shape[:1]
    generator = torch.Generator().manual_seed(4)
    tensors = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 400
        tensors[name] = torch.randn(shape, generator=generator) / math.sqrt(fan_in)
    return tensors


def _seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return build()


def _draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(6))


@dataclass(frozen=True)
class _Sample:
    name: str
    prompt: str
    num_latents: int


@dataclass(frozen=True)
class _Index:
    latent_shape: tuple[int, int, int]
    samples: tuple[_Sample, ...]


@dataclass(frozen=True)
class _NoiseCorpus:
    """A corpus in memory, of seeded noise that drifts from frame to frame."""

    index: _Index
    videos: tuple[Tensor, ...]

    @classmethod
    def of(cls, latent_shape: tuple[int, int, int]) -> _NoiseCorpus:
        """Return four videos of twelve latent frames."""
        samples = tuple(_Sample(f"{i:06d}", f"prompt {i}", 12) for i in range(4))
        generator = torch.Generator().manual_seed(7)
        videos = tuple(
            torch.randn(12, *latent_shape, generator=generator).cumsum(0) / 3 for _ in samples
        )
        return cls(_Index(latent_shape, samples), videos)

    def __len__(self) -> int:
        return len(self.videos)

    def read(self, position: int, start: int = 0, stop: int | None = None) -> Tensor:
        """Return latent frames of a video."""
        return self.videos[position][start:stop]
