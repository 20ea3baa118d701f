"""Rollouts from their first block to the last, to be done in step with others."""

from __future__ import annotations

from contextlib import closing

from backbones.engine.block import Block
from backbones.engine.rollout import Rollout
from backbones.engine.together import Steps


def all_blocks(rollout: Rollout) -> Steps[list[Block]]:
    """Make a whole video."""
    blocks: list[Block] = []
    with closing(rollout.store):
        rollout.begin()
        while block := (yield from rollout.next_block()):
            blocks.append(block)
    return blocks
