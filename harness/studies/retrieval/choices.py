"""The encoders of a retrieval study, as the command line names them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from methods.encoders import ENCODERS
from methods.encoders.base import Source, source_of, trained_on
from methods.encoders.checkpoint import shipped_encoders

if TYPE_CHECKING:
    from methods.encoders.base import Encoder


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder to benchmark.

    Attributes:
        text: as it was named, with its file.
        label: its name in tables and pictures.
        encoder: the encoder.
        source: its input: latents, frames or keys.
        trained_on: fingerprints of the backbones whose latents it was trained on; empty for any.
    """

    text: str
    label: str
    encoder: Encoder
    source: Source
    trained_on: tuple[str, ...]


def choose_encoder(text: str) -> EncoderChoice:
    """Load an encoder, labelled by the folder of its checkpoint.

    Args:
        text: a registered name, NAME@CHECKPOINT, or the name of a shipped encoder.

    Raises:
        UnknownName: there is no encoder of this name; names the nearest.
        LongtakeError: a checkpoint that the encoder cannot use.
    """
    if text in shipped_encoders():
        name, checkpoint = "autoencoder", text
    else:
        name, _, checkpoint = text.partition("@")
    encoder: Encoder = ENCODERS.load(name)(checkpoint or None)
    label = f"{name}@{Path(checkpoint).parent.name}" if "/" in checkpoint else text
    return EncoderChoice(text, label, encoder, source_of(encoder), trained_on(encoder))


def choose_encoders(texts: Sequence[str]) -> list[EncoderChoice]:
    """Load encoders; those that would share a label are labelled by their full text.

    Raises:
        ConfigError: the same encoder twice.
        LongtakeError: as `choose_encoder`.
    """
    if twice := [text for text, count in Counter(texts).items() if count > 1]:
        raise ConfigError(f"encoder={twice[0]} is named twice.")
    choices = [choose_encoder(text) for text in texts]
    shared = Counter(choice.label for choice in choices)
    return [
        replace(choice, label=choice.text) if shared[choice.label] > 1 else choice
        for choice in choices
    ]
