"""Settings of one training run: the overrides of `python -m harness train-encoder`, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.config.options import CONF
from harness.config.overrides import Choice, compose_plain, expand
from harness.core.errors import ConfigError, unknown_name
from harness.core.schema import build, check_count
from harness.store.header import COMMAND
from methods.encoders.trackers import TrackerKind
from methods.encoders.training import TrainingSettings

_CONF = CONF / "training"
_GROUPS = ("loss", "network")


class EncoderKind(StrEnum):
    """Kinds of encoders: an autoencoder, or principal components in closed form."""

    autoencoder = "autoencoder"
    pca = "pca"


@dataclass
class EncoderRun(TrainingSettings):
    """A training run.

    Args:
        kind: autoencoder or pca; pca uses only network.latent_dim and seed.
        corpus: folder of the corpus, or the run store that contains it.
        out: folder of the result.
        device: torch device name, or auto.
        threads: CPU threads; None for all cores.
        track: destination of the curves besides curves.csv.
        command: the command line of the run.
    """

    kind: EncoderKind = EncoderKind.autoencoder
    corpus: str = ""
    out: str | None = None
    device: str = "auto"
    threads: int | None = None
    track: TrackerKind = TrackerKind.none
    command: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Folder of the result."""
        return Path(self.out or "")

    @property
    def best(self) -> Path:
        """Path of the trained encoder."""
        return self.folder / "best.safetensors"

    def deciding(self) -> dict[str, Any]:
        """Return the settings that determine the weights after a given number of steps."""
        if self.kind is EncoderKind.pca:
            return {"kind": "pca", "latent_dim": self.network.latent_dim, "seed": self.seed}
        names = TrainingSettings.__dataclass_fields__.keys() - {"steps"}
        settings = {key: value for key, value in asdict(self).items() if key in names}
        # Newer than trainings that people have: named only where they are used.
        if self.latent_size is None:
            del settings["latent_size"]
        if not self.loss.normalise:
            del settings["loss"]["normalise"]
        return settings


def load_run(arguments: Sequence[str]) -> EncoderRun:
    """Build the run that command-line overrides describe.

    Raises:
        ConfigError: a setting that is malformed, out of range or of another type.
        UnknownName: a setting, loss or network that does not exist; names the nearest.
    """
    # A comma list of a grid key (backbone=a,b) spans several combinations. Only the first is read:
    # no training has such a key, so `build` refuses it by name.
    choices, *_ = expand(arguments, list_keys=())
    for choice in choices:
        if choice.key in _GROUPS:
            known = sorted(path.stem for path in (_CONF / choice.key).glob("*.yaml"))
            if choice.value not in known:
                raise unknown_name(choice.key, choice.value, known)
    if not any(choice.key == "corpus" for choice in choices):
        raise ConfigError("corpus=FOLDER is missing; make a corpus with: python -m harness latents")
    options = {choice.key: choice.value for choice in choices if choice.key in _GROUPS}
    settings = [choice for choice in choices if choice.key not in _GROUPS]
    run = build(EncoderRun, compose_plain(_CONF, "train_encoder", options, settings), "training")
    run.out = run.out or f"encoders/{_label(choices)}"
    run.command = [*COMMAND, "train-encoder", *arguments]
    check_count("threads", run.threads)
    run.check()
    return run


def _label(choices: Sequence[Choice]) -> str:
    """Return the name of the loss, then the settings changed in it: full-margin0.7."""
    given = {choice.key: choice.value for choice in choices}
    if given.get("kind") == "pca":
        return "pca"
    loss = given.get("loss", "full")
    changes = [c.key.removeprefix("loss.") + c.value for c in choices if c.key.startswith("loss.")]
    return "-".join([loss, *changes])
