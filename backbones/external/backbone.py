"""A generator from elsewhere as a backbone: its command makes whole videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbones.engine.backbone import Backbone, BackboneSource
from backbones.engine.protocol import ModelShape
from backbones.engine.sampler import SamplingConfig
from backbones.engine.spec import BackboneSpec, Geometry, GivenKind, Precision, WeightsKind
from backbones.external.command import CommandTemplate
from backbones.wan.rope import Rope
from harness.core.errors import ConfigError, MissingWeights
from harness.core.weights_files import file_sha256

if TYPE_CHECKING:
    import torch


@dataclass
class ExternalBackbone(BackboneSource):
    """Any program that makes whole videos from prompts.

    The command line is split at spaces and its placeholders are replaced (docs/external.md); no
    shell sees it. Latent frames only say which lengths there are: F of them are
    `temporal_factor` * (F - 1) + 1 video frames.

    Args:
        command: program and arguments, with placeholders in braces.
        folder: where it runs.
        files_used: its scripts, settings and weights, relative to `folder`; their content becomes
            part of the identity of every unit.
        fps: frames per second of the videos.
        width: their width in pixels.
        height: their height in pixels.
        temporal_factor: video frames of a latent frame.
        block_latents: a duration must be a multiple of this many latent frames.
        timeout_s: seconds after which a command is stopped.
        licence: licence of its weights.
    """

    command: str = ""
    folder: str = "."
    files_used: list[str] = field(default_factory=list)
    fps: int = 16
    width: int = 832
    height: int = 480
    temporal_factor: int = 4
    block_latents: int = 3
    timeout_s: float = 3600.0
    licence: str = "not stated"

    def spec(self) -> BackboneSpec:
        """Describe the videos.

        Raises:
            ConfigError: a wrong command or size.
        """
        self.template()
        sizes = (self.fps, self.width, self.height, self.temporal_factor, self.block_latents)
        if min(sizes) < 1 or not (self.timeout_s > 0 and math.isfinite(self.timeout_s)):
            raise ConfigError("backbone=external: sizes, fps and timeout_s must be above 0.")
        return BackboneSpec(
            name="external",
            geometry=Geometry((0, 0, 0), self.temporal_factor, self.fps, self.width, self.height),
            # Nothing of the model is known, and the engine does not run it.
            shape=ModelShape(0, 0, 0, 0, Rope(2, 1, 1, 0), 0),
            sampling=SamplingConfig((1000,), 1.0, 0),
            block_latents=self.block_latents,
            budget_latents=self.block_latents,
            trained_latents=0,
            precision=Precision.float32,
            weights=WeightsKind.own,
            licence=self.licence,
            weights_bytes=0,
            given=GivenKind.none,
        )

    def template(self) -> CommandTemplate:
        """Return the command line.

        Raises:
            ConfigError: it is wrong.
        """
        return CommandTemplate.parse(self.command)

    def check_prompt(self, prompt: str) -> None:
        """Refuse a prompt that no program can be given as an argument."""
        if "\0" in prompt:
            raise ConfigError("a prompt for an external command can't hold a zero byte")

    def identity(self) -> dict[str, Any]:
        """Return the digests of `files_used`; place, time limit and licence change no pixels."""
        digests = {}
        for name in self.files_used:
            path = Path(self.folder) / name
            if not path.is_file():
                raise MissingWeights(f"backbone.files_used: there is no file {str(path)!r}.")
            digests[name] = file_sha256(path)
        return {"files_used": digests, "folder": None, "timeout_s": None, "licence": None}

    def load(self, device: torch.device, prompts: Sequence[str]) -> Backbone:
        """Refuse, because there are no models to load.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "backbone=external makes whole videos in a sweep; it has no models that can be loaded."
        )
