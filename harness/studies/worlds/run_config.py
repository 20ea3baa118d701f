"""Settings of one training of a world: the overrides of `train-world`, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backbones.street.training.clips import ClipSettings
from backbones.street.training.decoder import DecoderSettings
from backbones.street.training.transformer import TransformerSettings
from backbones.world.street.script import VERSION
from harness.config.options import CONF
from harness.config.overrides import compose_plain, expand
from harness.core.errors import ConfigError
from harness.core.schema import build, check_count
from harness.store.header import COMMAND

_CONF = CONF / "training"


@dataclass
class WorldRun:
    """A training of the street's backbone.

    Args:
        out: folder of the result.
        seed: of initial weights and data.
        threads: CPU threads; None for all cores.
        save_every: steps between two measurements and saves.
        data: size of the training set.
        decoder: training of the decoder.
        transformer: training of the transformer.
        command: the command line of the run.
    """

    out: str = "worlds/street"
    seed: int = 0
    threads: int | None = None
    save_every: int = 300
    data: ClipSettings = field(default_factory=ClipSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    transformer: TransformerSettings = field(default_factory=TransformerSettings)
    command: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Folder of the result."""
        return Path(self.out)

    @property
    def weights(self) -> Path:
        """Path of the trained backbone."""
        return self.folder / "street.safetensors"

    def deciding(self) -> dict[str, Any]:
        """Return the settings that determine the weights."""
        names = ("seed", "data", "decoder", "transformer")
        found = {key: value for key, value in asdict(self).items() if key in names}
        if self.data.scenes == ClipSettings().scenes:
            del found["data"]["scenes"]  # trainings that began before there were others go on
        return found | {"street_version": VERSION}

    def check(self) -> None:
        """Refuse what can't be trained.

        Raises:
            ConfigError: a number out of its range.
        """
        if self.save_every < 1:
            raise ConfigError(f"save_every must be at least 1, got {self.save_every}.")
        check_count("threads", self.threads)
        self.data.check()
        self.decoder.check("decoder")
        self.transformer.check("transformer")
        if self.transformer.dim % 48 or self.transformer.dim < 48 or self.transformer.layers < 1:
            raise ConfigError(
                "transformer.dim must be a multiple of 48 and transformer.layers at least 1, got "
                f"{self.transformer.dim} and {self.transformer.layers}."
            )


def load_run(arguments: Sequence[str]) -> WorldRun:
    """Build the run that command-line overrides describe.

    Raises:
        ConfigError: a setting that is malformed, out of range or of another type.
        UnknownName: a setting that does not exist; names the nearest.
    """
    choices, *_ = expand(arguments, list_keys=("data.scenes",))
    run = build(WorldRun, compose_plain(_CONF, "train_world", {}, choices), "training")
    run.command = [*COMMAND, "train-world", *arguments]
    run.check()
    return run
