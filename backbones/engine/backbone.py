"""A backbone as the harness sees it: its registered source, and the loaded models of a rollout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backbones.engine.spec import GivenKind
from backbones.engine.weights import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from backbones.engine.protocol import BlockTransformer
    from backbones.engine.script import Schedule
    from backbones.engine.spec import BackboneSpec
    from harness.core.weights_files import WeightsFile

_MAX_COMPILED = 64


@dataclass(frozen=True)
class LocatedFile:
    """A weights file and its place on this machine.

    Attributes:
        role: what it holds: transformer, lora, vae, ...
        path: where it is read from, whether it is there or not.
        source: where it can be fetched; None for files of a package and files the user named.
    """

    role: str
    path: Path
    source: WeightsFile | None


class StreamingDecoder(Protocol):
    """Decodes one video chunk by chunk; the chunks together are the frames of a single pass."""

    def decode(
        self, latents: Float[Tensor, "latent chan height width"]
    ) -> UInt8[Tensor, "frame height_px width_px 3"]:
        """Return the RGB frames of the next latent frames.

        The first latent frame of a video gives one frame, every other `temporal_factor` of them.
        """


def _keep_uncompiled(compiled: bool) -> None:
    """Ignore the request: a small model gains nothing from being compiled."""


@dataclass(frozen=True)
class Backbone:
    """A loaded backbone.

    Attributes:
        spec: its description.
        transformer: predicts the flow of a block.
        encode_text: prompt to text embedding of shape (token, text_dim).
        start_decoder: begins decoding a new video.
        cut_tokens: tokens cut off each prompt that was longer than the text encoder takes.
        compile_models: makes all models run compiled, or as they are.
        encode_video: frames in -1..1, as many as whole latent frames decode to, into latents; None
            unless `spec.given` is videos.
    """

    spec: BackboneSpec
    transformer: BlockTransformer
    encode_text: Callable[[str], Float[Tensor, "token text_dim"]]
    start_decoder: Callable[[], StreamingDecoder]
    cut_tokens: Mapping[str, int] = field(default_factory=dict)
    compile_models: Callable[[bool], object] = _keep_uncompiled
    encode_video: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        # Planning reads the spec, before any models are loaded.
        if (self.encode_video is not None) != (self.spec.given is GivenKind.videos):
            raise ValueError(
                f"{self.spec.name}: spec.given is {self.spec.given}, which doesn't fit encode_video"
            )

    def compile(self, compiled: bool) -> None:
        """Run all models compiled, or as they are; compilation happens at their first use."""
        if compiled:
            # Every budget, shape and number format is compiled separately.
            torch._dynamo.config.recompile_limit = _MAX_COMPILED
        self.compile_models(compiled)

    @property
    def device(self) -> torch.device:
        """The device of the transformer."""
        return next(self.transformer.parameters()).device


class BackboneSource(ABC):
    """A registered backbone: a dataclass whose fields are its arguments.

    Subclasses must describe themselves and load their models; the other methods have defaults that
    serve a backbone without weights files that takes any prompt.
    """

    @abstractmethod
    def spec(self) -> BackboneSpec:
        """Describe the backbone without loading or reading any weights.

        Raises:
            ConfigError: an argument is wrong.
        """

    @abstractmethod
    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Load all models onto `device`.

        Args:
            device: where the models will live.
            prompts: every text that `Backbone.encode_text` will be asked for. A large text encoder
                encodes them and is freed before the transformer is loaded.

        Raises:
            LongtakeError: a weights file is missing, truncated or of another layout.
        """

    def files(self) -> Sequence[LocatedFile]:
        """Return the weights files that `load` reads, whether they are there or not."""
        return ()

    def check_prompt(self, prompt: str) -> None:  # noqa: B027 - not abstract: any prompt will do
        """Refuse a prompt this backbone can't take.

        Raises:
            ConfigError: the reason.
        """

    def check_script(self, schedule: Schedule) -> None:  # noqa: B027 - not abstract, as above
        """Refuse prompts that each are fine, but can't be shown one after another.

        Args:
            schedule: the prompts of a video with the latent frames that they begin at.

        Raises:
            ConfigError: the reason.
        """

    def identity(self) -> dict[str, Any]:
        """Return what changes pixels beside the arguments, as JSON: the digests of all weights.

        Raises:
            MissingWeights: a weights file is missing; the message says how to get it.
        """
        digests = {file.role: sha256_of(file.path, self.remedy(file)) for file in self.files()}
        return {"weights_sha256": digests}

    def remedy(self, file: LocatedFile) -> str:
        """Return the sentence that tells a user how to get a missing weights file."""
        return f"Reinstall the package of {type(self).__name__}."
