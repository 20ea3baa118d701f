"""The clips that the transformer is trained on: rendered, encoded once, kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from backbones.street.training.contexts import ClipTruth
from backbones.world.street.draw import draw_script
from backbones.world.street.prompt import Scene
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
    """Size and content of the training set.

    Args:
        clips: clips of 15 s, the held-out ones included.
        held_out: clips of validation.
        scenes: what they show, in turn.
    """

    clips: int = 400
    held_out: int = 12
    scenes: list[Scene] = field(default_factory=lambda: [Scene.street])

    def check(self) -> None:
        """Refuse a set that leaves nothing to train on or to validate with.

        Raises:
            ConfigError: naming both numbers, or no scene or the same one twice.
        """
        if not self.scenes or len(set(self.scenes)) < len(self.scenes):
            raise ConfigError(
                f"data.scenes must name at least one scene, each once; got {list(self.scenes)}."
            )
        if self.clips < 2:
            raise ConfigError(
                f"data.clips={self.clips}: expected at least 2, one to train on and one held out."
            )
        if not 0 < self.held_out < self.clips:
            raise ConfigError(
                f"data.held_out must lie within 1..{self.clips - 1}, below data.clips; got "
                f"{self.held_out}."
            )


def clip_truth(seed: int, number: int, scenes: Sequence[Scene] = (Scene.street,)) -> ClipTruth:
    """Return street and script of one clip of a training set, whose clips show scenes in turn."""
    scene = scenes[number % len(scenes)]
    script = draw_script(CLIP_BLOCKS, f"{seed}/{number}", scene)
    return ClipTruth(draw_street(script.num_figures, seed * _SEEDS_PER_SET + number), script)


class ClipSet:
    """Latents of many clips with their truth.

    Args:
        latents: normalised latents.
        seed: decides streets and scripts.
        settings: size and content of the set; no step is made on the held-out clips, which are at
            its beginning.
    """

    def __init__(
        self,
        latents: Float[Tensor, "clip latent chan height width"],
        seed: int,
        settings: ClipSettings,
    ) -> None:
        self.latents, self._seed = latents, seed
        self.scenes, self.held_out = tuple(settings.scenes), settings.held_out

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
            settings: size and content of the set.
            seed: decides all streets and scripts.
            encode: video in -1..1 to normalised latents.
            on_clip: called with the number of finished clips; it may raise to stop.
            on_damage: called with a line about a file that can't be used, and is made again.
        """
        origin = {"seed": str(seed), "street_version": str(VERSION)}
        if settings.scenes != ClipSettings().scenes:
            origin["scenes"] = ",".join(settings.scenes)
        done = _saved_clips(path, origin, on_damage)
        while len(done) < settings.clips:
            truth = clip_truth(seed, len(done), settings.scenes)
            done.append(encode(render(truth.street, truth.script)).half())
            if len(done) % 32 == 0 or len(done) == settings.clips:
                with replacing(path) as temporary:
                    write_sealed(temporary, {"latents": torch.stack(done)}, origin)
            on_clip(len(done))
        return cls(torch.stack(done[: settings.clips]), seed, settings)

    def __len__(self) -> int:
        return len(self.latents)

    @cached_property
    def truths(self) -> list[ClipTruth]:
        """Street and script of every clip."""
        return [clip_truth(self._seed, number, self.scenes) for number in range(len(self))]


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
        on_damage(f"{path}: of another seed, street or scene; made again.")
        return []
    return list(file.get_tensor("latents"))
