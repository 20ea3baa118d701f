"""Rollouts from their first block to the last, to be done in step with others."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import cast

from torch import Tensor

from backbones.engine.block import Block
from backbones.engine.rollout import Rollout
from backbones.engine.together import Asked, Steps


def all_blocks(rollout: Rollout) -> Steps[list[Block]]:
    """Make a whole video; to close this, even before its first pass, closes the rollout's store."""
    steps = _all_blocks(rollout)
    next(steps)
    return cast("Steps[list[Block]]", steps)


def _all_blocks(rollout: Rollout) -> Generator[Asked | None, Tensor, list[Block]]:
    blocks: list[Block] = []
    with closing(rollout.store):
        yield None  # a generator that has not begun has nothing to close
        rollout.begin()
        while block := (yield from rollout.next_block()):
            blocks.append(block)
    return blocks
