"""A strategy that knows the script: the frames that show what the block will show.

It is the ceiling of every strategy on the street. The prompts and the closed street decide where
the camera looks and who is there; how the figures look is left to the frames themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.script import BLOCK_LATENTS, Script, Shot
from backbones.world.street.visits import Visit, Visits
from harness.core.errors import ConfigError
from methods.base import BlockView, RolloutSpec
from methods.retrieval import Retrieval, Selection

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class StreetOracle(Retrieval):
    """The candidates that show what the coming block will show, or, of a game, what led to it.

    Layout, budget and guard are those of `rag`. A block that shows nothing again, such as those of
    the first lap, has no memory.

    Args:
        visit: first or last visit of a place that was passed several times.
    """

    visit: Visit = Visit.first

    def reset(self, rollout: RolloutSpec) -> None:
        """Start a new video.

        Raises:
            ConfigError: the backbone's blocks are not those of the street.
        """
        super().reset(rollout)
        if rollout.block_latents != BLOCK_LATENTS:
            raise ConfigError(
                f"method street_oracle knows the walks of the street, in blocks of {BLOCK_LATENTS} "
                f"latent frames; this backbone has blocks of {rollout.block_latents}."
            )
        self._prompts: list[StreetPrompt] = []

    def check_prompt(self, text: str) -> None:
        """Refuse a prompt that is none of the street.

        Raises:
            ConfigError: what is wrong with it.
        """
        try:
            StreetPrompt.parse(text)
        except ConfigError as error:
            raise ConfigError(
                f"method street_oracle reads the walk from prompts of the street. {error}"
            ) from error

    @property
    def needs_model(self) -> bool:
        """Return False: prompts are enough."""
        return False

    def attach(self, view: BlockView) -> None:
        """Receive the view that tells the prompt of every block."""
        self._view = view

    def observe(self, latents: Tensor, first_frame: int) -> None:
        """Take down the prompt of the observed block."""
        assert first_frame == len(self._prompts) * BLOCK_LATENTS, "blocks come in order"
        self._prompts.append(self._prompt())

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Return the candidates that show the most of what the block will show, in order of age."""
        script = Script(tuple(Shot(prompt, 1) for prompt in (*self._prompts, self._prompt())))
        block = range(first_frame, first_frame + BLOCK_LATENTS)
        frames = Visits(script).right_frames(block, candidates, self.visit, self.memory_latents)
        return Selection(tuple(sorted(frames)), None)

    def _prompt(self) -> StreetPrompt:
        return StreetPrompt.parse(self._view.segment().prompt)
