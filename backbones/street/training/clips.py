"""The clips that the transformer is trained on: rendered, encoded once, kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.street.training.contexts import ClipTruth
from backbones.world.street.draw import draw_script
from backbones.world.street.render import render
from backbones.world.street.scene import draw_street
from backbones.world.street.script import BLOCK_LATENTS, VERSION
from harness.core.errors import ConfigError, StoreError
from harness.core.files import replacing
from harness.core.sealed import open_sealed, write_sealed

CLIP_LATENTS = 60
CLIP_BLOCKS = CLIP_LATENTS // BLOCK_LATENTS
_SEEDS_PER_SET = 1_000_003  # so that no two sets share a street


@dataclass
class ClipSettings:
    """Size of the training set.

    Args:
        clips: clips of 15 s, the held-out ones included.
        held_out: clips of validation.
    """

    clips: int = 400
    held_out: int = 12

    def check(self) -> None:
        """Refuse a set that leaves nothing to train on or to validate with.

        Raises:
            ConfigError: naming both numbers.
        """
        if not 0 < self.held_out < self.clips:
            raise ConfigError(
                f"data.held_out must lie within 1..{self.clips - 1}, below data.clips; got "
                f"{self.held_out}."
            )


def clip_truth(seed: int, number: int) -> ClipTruth:
    """Return street and script of one clip of a training set."""
    script = draw_script(CLIP_BLOCKS, f"{seed}/{number}")
    return ClipTruth(draw_street(script.num_figures, seed * _SEEDS_PER_SET + number), script)


class ClipSet:
    """Latents of many clips with their truth.

    Args:
        latents: normalised latents.
        seed: decides streets and scripts.
        held_out: number of clips at the beginning that no step is made on.
    """

    def __init__(
        self, latents: Float[Tensor, "clip latent chan height width"], seed: int, held_out: int
    ) -> None:
        self.latents, self._seed, self.held_out = latents, seed, held_out

    @classmethod
    def load_or_make(
        cls,
        path: Path,
        settings: ClipSettings,
        seed: int,
        encode: Callable[[Tensor], Tensor],
        on_clip: Callable[[int], None],
        on_damage: Callable[[str], None],
    ) -> ClipSet:
        """Read a set, or render and encode what the file does not hold yet.

        Args:
            path: the file.
            settings: size of the set.
            seed: decides all streets and scripts.
            encode: video in -1..1 to normalised latents.
            on_clip: called with the number of finished clips; it may raise to stop.
            on_damage: called with a line about a file that can't be used, and is made again.
        """
        origin = {"seed": str(seed), "street_version": str(VERSION)}
        done = _saved_clips(path, origin, on_damage)
        while len(done) < settings.clips:
            truth = clip_truth(seed, len(done))
            done.append(encode(render(truth.street, truth.script)).half())
            if len(done) % 32 == 0 or len(done) == settings.clips:
                with replacing(path) as temporary:
                    write_sealed(temporary, {"latents": torch.stack(done)}, origin)
            on_clip(len(done))
        return cls(torch.stack(done[: settings.clips]), seed, settings.held_out)

    def __len__(self) -> int:
        return len(self.latents)

    @cached_property
    def truths(self) -> list[ClipTruth]:
        """Street and script of every clip."""
        return [clip_truth(self._seed, number) for number in range(len(self))]


def _saved_clips(
    path: Path, origin: dict[str, str], on_damage: Callable[[str], None]
) -> list[Tensor]:
    """Return the clips of a file; none if there is no file, or it can't be used."""
    try:
        file, found = open_sealed(path)
    except FileNotFoundError:
        return []
    except StoreError as error:
        on_damage(f"{str(error).rstrip('.')}; made again.")
        return []
    if found != origin:
        on_damage(f"{path}: of another seed or street; made again.")
        return []
    return list(file.get_tensor("latents"))
