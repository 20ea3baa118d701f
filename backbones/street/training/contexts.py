"""The contexts that the transformer is trained with: those that memory strategies would give it.

Plans come from the strategies' own layouts, so a trained model meets the positions of a rollout.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import torch

from backbones.street.model import LATENT_SHAPE, PAST_LATENTS
from backbones.world.street.scene import Street
from backbones.world.street.script import BLOCK_LATENTS, FRAMES_PER_LATENT, Script
from backbones.world.street.truth import Truth
from backbones.world.street.visits import Visit, Visits
from methods.base import ContextPlan, RolloutSpec
from methods.retrieval import Retrieval, Selection
from methods.sliding_window import SlidingWindow

_WINDOW_LATENTS = PAST_LATENTS - 1  # newest frames of a sliding window beside its sink
_MEMORY_LATENTS = 6
# A figure comes back in a block that shows this share of it after a window with at most a sliver.
_COMES_SHARE, _SLIVER_SHARE = 0.35, 0.1


class ContextKind(StrEnum):
    """The memory of a block in training.

    window: none; a sliding window instead. right: the frames that show what the block will show, of
    the first or of the last visit. half: three of them and three random ones. random: any frames.
    """

    window = "window"
    right = "right"
    half = "half"
    random = "random"


class Contexts(StrEnum):
    """Contexts of a training: of all kinds, or the sliding window alone."""

    memory = "memory"
    window = "window"


# How often each kind is drawn in a training with memory.
KIND_WEIGHTS = {
    ContextKind.window: 1,
    ContextKind.right: 3,
    ContextKind.half: 1,
    ContextKind.random: 1,
}


def rollout_spec(num_latents: int) -> RolloutSpec:
    """Return what strategies learn of a rollout of the street."""
    budget = PAST_LATENTS + BLOCK_LATENTS
    return RolloutSpec(num_latents, BLOCK_LATENTS, budget, budget, 1024, LATENT_SHAPE, seed=0)


@dataclass
class Given(Retrieval):
    """Memory frames given from outside, in the layout of retrieval.

    Args:
        memory: the frames of every block, by its first frame.
    """

    memory: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def candidates(self, first_frame: int) -> range:
        """Return all frames behind the sink and before the window of a sliding window."""
        return old_frames(first_frame)

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Return the given frames."""
        return Selection(self.memory.get(first_frame, ()), None)


def old_frames(first_frame: int) -> range:
    """Return the frames that a sliding window no longer shows to a block."""
    return range(1, max(1, first_frame - _WINDOW_LATENTS))


@dataclass(frozen=True, eq=False)
class ClipTruth:
    """The truth of one training clip, by latent frame."""

    street: Street
    script: Script

    @cached_property
    def _truth(self) -> Truth:
        return Truth.of(self.street, self.script)

    @cached_property
    def _visits(self) -> Visits:
        return Visits(self.script)

    @cached_property
    def returning_blocks(self) -> tuple[int, ...]:
        """Blocks that show a figure again that no window shows, but right frames of both visits."""
        lead = self._truth.visible[:1].expand(FRAMES_PER_LATENT - 1, -1)
        frames = torch.cat([lead, self._truth.visible])
        seen_TS = frames.unflatten(0, (-1, FRAMES_PER_LATENT)).amax(1)
        found = []
        for block in range(1, len(seen_TS) // BLOCK_LATENTS):
            start = block * BLOCK_LATENTS
            edge = start - _WINDOW_LATENTS
            visits = [self.right_frames(block, visit) for visit in Visit]
            if not all(visits):
                continue
            comes = seen_TS[start : start + BLOCK_LATENTS].amax(0) >= _COMES_SHARE
            forgotten = seen_TS[edge:start].amax(0) <= _SLIVER_SHARE
            known = torch.stack([seen_TS[frames].amax(0) for frames in visits]).amin(0)
            if bool((comes & forgotten & (known > 2 * _SLIVER_SHARE)).any()):
                found.append(block)
        return tuple(found)

    def right_frames(self, block: int, visit: Visit) -> list[int]:
        """Return the old frames that show what a block will show, the nearest first.

        Args:
            block: index of the block.
            visit: the one to take of several frames with one pose.
        """
        start = block * BLOCK_LATENTS
        return self._visits.right_frames(
            range(start, start + BLOCK_LATENTS), old_frames(start), visit, _MEMORY_LATENTS
        )

    def plans(self, kinds: Sequence[ContextKind], rng: random.Random) -> list[ContextPlan]:
        """Return the plan of every block.

        Args:
            kinds: kind of context of every block.
            rng: source of random frames and of the visit to remember.
        """
        memory = {}
        for block, kind in enumerate(kinds):
            start = block * BLOCK_LATENTS
            frames = self._memory(block, kind, rng)
            rest = [frame for frame in old_frames(start) if frame not in frames]
            missing = min(_MEMORY_LATENTS - len(frames), len(rest))
            memory[start] = tuple(sorted([*frames, *rng.sample(rest, missing)]))
        window, given = SlidingWindow(), Given(memory=memory)
        spec = rollout_spec(self.script.num_latents)
        window.reset(spec)
        given.reset(spec)
        return [
            (window if kind is ContextKind.window else given).plan(block * BLOCK_LATENTS)
            for block, kind in enumerate(kinds)
        ]

    def _memory(self, block: int, kind: ContextKind, rng: random.Random) -> list[int]:
        if kind in (ContextKind.window, ContextKind.random):
            return []
        right = self.right_frames(block, Visit.first if rng.random() < 0.5 else Visit.last)
        return right if kind is ContextKind.right else right[: _MEMORY_LATENTS // 2]


def draw_kinds(contexts: Contexts, num_blocks: int, rng: random.Random) -> list[ContextKind]:
    """Draw the kind of context of every block."""
    if contexts is Contexts.window:
        return [ContextKind.window] * num_blocks
    return rng.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()), k=num_blocks)
