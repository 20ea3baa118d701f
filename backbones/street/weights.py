"""The weights file of the street: transformer, words and decoder, and their origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from backbones.engine.weights import load_strictly, read_tensors, require_file
from backbones.street.model import StreetModel, wan_config
from backbones.street.vae import LatentDecoder
from backbones.world.street.prompt import Scene, StreetPrompt
from backbones.world.street.script import VERSION
from harness.core.errors import ConfigError, MissingWeights

_KEY = "street"
_REMEDY = "Train them: python -m harness train-world"


@dataclass(frozen=True)
class StreetWeights:
    """Description of a weights file, kept in its head.

    Attributes:
        dim: channels of the transformer.
        layers: depth of the transformer.
        fine: channels of the decoder at a quarter of the video's resolution.
        coarse: channels of the decoder at an eighth of it.
        version: version of the street.
        step: steps that the transformer was trained for.
        losses: loss of blocks where something returns, by kind of context.
        command: the command that made the file.
        scenes: what it was trained on.
    """

    SCHEMA: ClassVar[int] = 1

    dim: int
    layers: int
    fine: int
    coarse: int
    version: int = VERSION
    step: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    scenes: tuple[Scene, ...] = (Scene.street,)

    @classmethod
    def read(cls, path: Path) -> StreetWeights:
        """Read the description of a file, without its tensors.

        Raises:
            MissingWeights: there is no such file, it is another file, or of another street.
        """
        require_file(path, _REMEDY)
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
            # Not `from_json`: older files carry no schema.
            found = msgspec.json.decode(metadata[_KEY], type=cls)
        except (SafetensorError, OSError, KeyError, msgspec.MsgspecError, RecursionError) as error:
            raise MissingWeights(
                f"{path} holds no weights of the street ({type(error).__name__}). {_REMEDY}"
            ) from error
        if found.version != VERSION:
            raise MissingWeights(
                f"{path} was trained on version {found.version} of the street; this is version "
                f"{VERSION}. {_REMEDY}"
            )
        return found

    def check_prompt(self, text: str) -> None:
        """Refuse a prompt that was not trained on.

        Raises:
            ConfigError: it is outside the grammar, or of another scene.
        """
        prompt = StreetPrompt.parse(text)
        if prompt.scene not in self.scenes:
            known = ", ".join(self.scenes)
            raise ConfigError(
                f"{text!r} is a prompt of the scene {prompt.scene}, and these weights were trained "
                f"on {known} alone. backbone=street_scenes knows all scenes. Train your own: "
                f"python -m harness train-world "
                f"data.scenes=[{known.replace(' ', '')},{prompt.scene}]"
            )

    def write(self, path: Path, model: StreetModel, decoder: LatentDecoder) -> None:
        """Write the weights in half precision."""
        tensors = {
            f"{part}.{name}": tensor.half().contiguous()
            for part, module in (("model", model), ("decoder", decoder))
            for name, tensor in module.state_dict().items()
        }
        save_file(tensors, path, {_KEY: msgspec.json.encode(self).decode()})

    def load(self, path: Path, dtype: torch.dtype) -> tuple[StreetModel, LatentDecoder]:
        """Load the transformer in a number format, and the decoder in float32.

        Raises:
            MissingWeights: the tensors are not those of these sizes.
        """
        model = StreetModel(wan_config(self.dim, self.layers), self.scenes)
        decoder = LatentDecoder(self.fine, self.coarse)
        tensors = read_tensors(path, torch.float32)
        for part, module in (("model", model), ("decoder", decoder)):
            prefix = f"{part}."
            own = {
                name.removeprefix(prefix): tensor
                for name, tensor in tensors.items()
                if name.startswith(prefix)
            }
            load_strictly(module, own, str(path))
        model.to(dtype)
        return model, decoder
