"""Checkpoints of the retrieval autoencoder: the released pickle layout, and safetensors.

Both hold the tensors under the released names and the shape of the network as `config`. The origin
of the training data is stored with them (`training`), so that an encoder for one backbone is not
silently used with another. The released file has no origin.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open

from harness.core.equal_bytes import write_tensors, write_torch
from harness.core.errors import MissingWeights, nearest
from harness.core.typed_files import from_plain
from harness.core.untyped import json_object
from harness.core.weights_files import why_unreadable
from methods.encoders.network import AutoencoderConfig, LatentAutoencoder

if TYPE_CHECKING:
    from torch import Tensor

SHIPPED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Training:
    """The origin of an encoder.

    Attributes:
        backbones: fingerprints ("name@digest of its weights") of the backbones that made the
            corpus; empty when unknown.
        settings: the whole training configuration, as JSON.
        corpus_sha256: hash of the corpus index.
        step: optimizer steps made.
        metrics: validation results at that step.
    """

    backbones: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    corpus_sha256: str = ""
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Any) -> Training:
        """Build it from the output of `asdict`.

        Raises:
            StoreError: the fields are others.
        """
        return from_plain(fields, cls, "training")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes:
        name: of the file, for messages.
        config: shape of the network.
        tensors: weights under the released names.
        training: its origin.
        sha256: hash of the file.
    """

    name: str
    config: AutoencoderConfig
    tensors: Mapping[str, Tensor]
    training: Training
    sha256: str

    def autoencoder(self) -> LatentAutoencoder:
        """Build the whole network with these weights.

        Raises:
            MissingWeights: tensors are missing, or have other shapes than `config` says.
        """
        model = LatentAutoencoder(self.config)
        load_part(model, self.tensors, self.name)
        return model


def load_part(module: torch.nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Load weights of the file `name` strictly.

    Raises:
        MissingWeights: tensors are missing, unknown, or of other shapes.
    """
    try:
        module.load_state_dict(dict(tensors))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise MissingWeights(f"{name} does not fit its own config: {reason}") from error


def shipped_encoders() -> list[str]:
    """List the encoders that are part of the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def given_file(checkpoint: str | None, remedy: str) -> Path:
    """Return the path of a required checkpoint.

    Raises:
        MissingWeights: none is given (the message is `remedy`), or there is no such file.
    """
    if checkpoint is None:
        raise MissingWeights(remedy)
    path = Path(checkpoint)
    if not path.is_file():
        raise MissingWeights(f"method.checkpoint: no file {checkpoint!r}.")
    return path


def find_checkpoint(name: str) -> Path:
    """Return the file of a checkpoint given as a path or as the name of a shipped encoder.

    Raises:
        MissingWeights: there is no such file and no such encoder.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in shipped_encoders():
        return SHIPPED / f"{name}.safetensors"
    close = nearest(name, shipped_encoders())
    hint = f" Did you mean {close!r}?" if close else ""
    raise MissingWeights(
        f"method.checkpoint: no file {name!r}, and no shipped encoder of that name.{hint} "
        f"Shipped: {', '.join(shipped_encoders())}."
    )


def read_checkpoint(path: Path) -> Checkpoint:
    """Read `ae_latent_mem.pt` (a dict with `model` and `config`) or a .safetensors file.

    Raises:
        MissingWeights: the file is truncated, of another layout, or lacks its config.
        OSError, MemoryError: it cannot be read, which says nothing about its content.
    """
    data = path.read_bytes()
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                config = json_object(metadata.get("config", "null"), "config")
                text = metadata.get("training")
                training = json_object(text, "training") if text else None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        else:
            # From memory: of a file of a few bytes torch asks the system for a place before its
            # start, and the system's refusal would look like an error of the disk.
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            tensors, config = content["model"], content["config"]
            training = content.get("training")
        known = Training.of(training) if training else Training()
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise almost anything
        raise MissingWeights(
            f"{path.name} is not a readable retrieval autoencoder (truncated, or of another "
            f"layout than {{model, config}}): {why_unreadable(path, error)}"
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    return Checkpoint(path.name, _parse_config(config, path), tensors, known, sha256)


def write_checkpoint(path: Path, model: LatentAutoencoder, training: Training) -> None:
    """Write a checkpoint in the layout of its suffix: .pt as released, or .safetensors."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    config = asdict(model.config) | {"hidden_dims": list(model.config.hidden_dims)}
    origin = asdict(training) | {"backbones": list(training.backbones)}
    if path.suffix == ".safetensors":
        metadata = {
            "config": json.dumps(config),
            "training": json.dumps(origin, sort_keys=True),
        }
        write_tensors(path, tensors, metadata)
    else:
        write_torch(path, {"model": tensors, "config": config, "training": origin})


def _parse_config(config: Any, path: Path) -> AutoencoderConfig:
    try:
        return AutoencoderConfig(
            in_channels=int(config["in_channels"]),
            spatial_h=int(config["spatial_h"]),
            spatial_w=int(config["spatial_w"]),
            latent_dim=int(config["latent_dim"]),
            hidden_dims=tuple(int(dim) for dim in config["hidden_dims"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MissingWeights(f"{path.name}: its config lacks or misstates {error}.") from error
