"""The backbone of the street, with the weights of the package or of your own training.

The transformer was trained with memory and without, at the positions of the harness's layouts, so
that no strategy is a stranger to it. `losses` of its weights file say how much memory helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.engine.backbone import Backbone, BackboneSource, LocatedFile
from backbones.engine.sampler import SamplingConfig
from backbones.engine.script import Schedule
from backbones.engine.spec import BackboneSpec, GivenKind, Precision, WeightsKind, network_bytes
from backbones.street.encoder import ENCODER, load_encoder
from backbones.street.model import (
    DENOISING_STEPS,
    GEOMETRY,
    LATENT_SHAPE,
    PAST_LATENTS,
    TIMESTEP_SHIFT,
    StreetModel,
    wan_config,
)
from backbones.street.vae import LatentDecoder, StreamDecoder
from backbones.street.weights import StreetWeights
from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.script import BLOCK_LATENTS, Script, Shot
from harness.core.errors import unknown_name

_DATA = Path(__file__).parent / "data"
_SHIPPED = "street"
_ROPE_POSITIONS = 1024
_BUDGET_LATENTS = PAST_LATENTS + BLOCK_LATENTS
_REINSTALL = (
    "It ships with Longtake; reinstall the package (pip install --force-reinstall longtake)."
)


@dataclass
class StreetBackbone(BackboneSource):
    """Arguments of the street's backbone.

    Args:
        weights: the file `street.safetensors` of a training, or the name of one of the package;
            None for `street`. The presets choose the others by name.
        denoising_step_list: timesteps of the denoising passes; fewer take less time.
        precision: number format of the transformer.
    """

    weights: str | None = None
    denoising_step_list: list[int] = field(default_factory=lambda: list(DENOISING_STEPS))
    precision: Precision = Precision.float32

    def spec(self) -> BackboneSpec:
        """Describe the backbone; reads the sizes in the head of the weights file."""
        spec = street_spec(StreetWeights.read(self._path), self.precision)
        spec = replace(
            spec, sampling=SamplingConfig(tuple(self.denoising_step_list), TIMESTEP_SHIFT)
        )
        if self._path.parent == _DATA:
            return replace(spec, name=self._path.stem, weights=WeightsKind.embedded)
        return spec

    def files(self) -> Sequence[LocatedFile]:
        """Return the weights, and those of the encoder of given videos."""
        return [LocatedFile("street", self._path, None), LocatedFile("encoder", ENCODER, None)]

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt outside the grammar of the street, or of a scene not trained on."""
        StreetWeights.read(self._path).check_prompt(prompt)

    def check_script(self, schedule: Schedule) -> None:
        """Refuse a script that its scene can't show."""
        starts = [start // BLOCK_LATENTS for start in schedule.starts]
        lengths = [end - start for start, end in pairwise([*starts, starts[-1] + 1])]
        prompts = map(StreetPrompt.parse, schedule.prompts)
        Script(tuple(map(Shot, prompts, lengths)))

    def remedy(self, file: LocatedFile) -> str:
        """Return how to get a missing file."""
        if file.path.parent == _DATA:
            return _REINSTALL
        return "Set backbone.weights= to the result of python -m harness train-world."

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Load all models; words are a table, so any prompt may follow."""
        spec = self.spec()
        model, decoder = StreetWeights.read(self._path).load(self._path, self.precision.dtype)
        return assemble(spec, model.to(device), decoder.to(device))

    @property
    def _path(self) -> Path:
        name = _SHIPPED if self.weights is None else self.weights
        if name in shipped_trainings():
            return _DATA / f"{name}.safetensors"
        path = Path(name)
        if path.name == name and not path.suffix:  # no path of a file: a name, but of no training
            raise unknown_name("training of the street", name, shipped_trainings())
        return path


def shipped_trainings() -> list[str]:
    """Return the names of the trainings whose weights are part of the package."""
    return sorted(path.stem for path in _DATA.glob("street*.safetensors"))


def street_spec(weights: StreetWeights, precision: Precision) -> BackboneSpec:
    """Describe a backbone with these weights."""
    config = wan_config(weights.dim, weights.layers)
    return BackboneSpec(
        name="street",
        geometry=GEOMETRY,
        shape=config.shape(LATENT_SHAPE, _ROPE_POSITIONS),
        sampling=SamplingConfig(DENOISING_STEPS, TIMESTEP_SHIFT),
        block_latents=BLOCK_LATENTS,
        budget_latents=_BUDGET_LATENTS,
        trained_latents=_BUDGET_LATENTS,
        precision=precision,
        weights=WeightsKind.own,
        licence="Apache-2.0",
        weights_bytes=(
            network_bytes(StreetModel, precision, config, weights.scenes)
            + network_bytes(LatentDecoder, Precision.float32, weights.fine, weights.coarse)
        ),
        given=GivenKind.videos,
    )


def assemble(spec: BackboneSpec, model: StreetModel, decoder: LatentDecoder) -> Backbone:
    """Return a backbone of loaded networks; the model is prepared for inference."""
    transformer = model.transformer.prepare(fp8=spec.precision is Precision.fp8)
    decoder.eval().requires_grad_(False)

    def encode_text(prompt: str) -> Float[Tensor, "token text_dim"]:
        return model.encode_text(StreetPrompt.parse(prompt)).detach()

    return Backbone(
        spec,
        transformer,
        encode_text,
        lambda: StreamDecoder(decoder),
        compile_models=transformer.compile_layers,
        encode_video=lambda video: load_encoder()(video),  # few videos continue another
    )
