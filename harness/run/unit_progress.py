"""Progress of a unit during its generation: its blocks so far, and the saved ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from backbones.engine.transfer import Download
from harness.core.errors import LongtakeError
from methods.trace import TraceLine

if TYPE_CHECKING:
    from torch import Tensor

    from backbones.engine.block import Block
    from harness.store.run_store import RunStore
    from methods.base import ContextPlan


class Superseded(Exception):
    """Another worker has finished a longer video of the same unit."""


class PlanChanged(Exception):
    """A replayed block was saved with another context plan than it has now.

    Attributes:
        block: index of the block.
    """

    def __init__(self, block: int) -> None:
        super().__init__(block)
        self.block = block


class UnitProgress:
    """The blocks of a unit, kept until they are saved.

    Args:
        unit_id: the unit.
        block_latents: latent frames of a block.
        store: store that progress is read from and saved to.
        on_note: called with a line about saved progress that cannot be used.
        end_block: first block whose saved progress is not used; None uses all of it.

    Attributes:
        saved_latents: clean latents of the first blocks, from an earlier run; None if there are
            none.
    """

    def __init__(
        self,
        unit_id: str,
        block_latents: int,
        store: RunStore,
        on_note: Callable[[str], None],
        end_block: int | None = None,
    ) -> None:
        self._unit_id = unit_id
        self._block_latents = block_latents
        self._store = store
        saved = store.saved_progress(
            unit_id, lambda reason: on_note(f"{reason}; regenerating its blocks")
        )
        self.saved_latents: Tensor | None = None
        self._saved_trace: Sequence[str] = ()
        if saved and end_block != 0:
            end_latents = None if end_block is None else end_block * block_latents
            self.saved_latents = saved.latents[:end_latents]
            self._saved_trace = saved.trace[:end_block]
        self._num_saved_blocks = self.num_saved_latents // block_latents
        self._num_finite_blocks = 0
        self._latents: list[Download] = []
        self._trace: list[str] = []

    @property
    def saved_plans(self) -> list[ContextPlan]:
        """Return the contexts of the saved blocks."""
        return [self._saved_line(block).plan() for block in range(len(self._saved_trace))]

    @property
    def num_saved_latents(self) -> int:
        """Return the latent frames that an earlier run saved."""
        return 0 if self.saved_latents is None else len(self.saved_latents)

    @property
    def num_latents(self) -> int:
        """Return the latent frames made or replayed so far."""
        return len(self._latents) * self._block_latents

    def add(self, block: Block) -> None:
        """Add a block.

        Raises:
            PlanChanged: the block was replayed, and saved with another plan than it has now.
        """
        line = TraceLine.of(block.index, block.first_frame, block.plan, block.segment)
        # Similarities may differ in the last bit on another machine; the plan must not.
        saved = self._saved_line(block.index) if block.replayed else line
        if line.without_scores() != saved.without_scores():
            raise PlanChanged(block.index)
        self._latents.append(Download(block.latents))
        self._trace.append(line.to_json())

    def save_all(self) -> None:
        """Save every block that isn't saved yet.

        Raises:
            LongtakeError: a block is not finite.
        """
        self._check_finite(len(self._latents))
        self._save(len(self._latents))

    def save_every(self, num_blocks: int) -> None:
        """Save the blocks that aren't saved yet once there are `num_blocks` of them.

        The newest block doesn't count: on a GPU it may only be queued, and saving would wait for
        it.

        Raises:
            LongtakeError: a block is not finite.
        """
        finished = len(self._latents) - 1
        self._check_finite(finished)
        if finished - self._num_saved_blocks >= num_blocks:
            self._save(finished)

    def finish(self) -> None:
        """Save the latents and the trace of the whole unit.

        Raises:
            Superseded: another worker has finished a longer video of it.
            LongtakeError: a block is not finite.
        """
        self._check_finite(len(self._latents))
        record = self._store.record(self._unit_id)
        generation = record.generation if record else None
        longer = generation is not None and generation.num_latents > self.num_latents
        if record and longer and record.video.matches(self._store.unit_dir(self._unit_id)):
            raise Superseded
        latents = self._joined(0, len(self._latents))
        self._store.save_latents(self._unit_id, latents, self._trace)

    def _save(self, num_blocks: int) -> None:
        first = self._num_saved_blocks
        if num_blocks <= first:
            return
        self._store.save_chunk(
            self._unit_id,
            first * self._block_latents,
            self._joined(first, num_blocks),
            self._trace[first:num_blocks],
        )
        self._num_saved_blocks = num_blocks

    def _check_finite(self, end_block: int) -> None:
        """Refuse NaN and infinity: their decoded video stands still and would score as steady."""
        for index in range(self._num_finite_blocks, end_block):
            if not torch.isfinite(self._latents[index].wait()).all():
                raise LongtakeError(
                    f"Block {index} (latent frames from {index * self._block_latents}) has values "
                    "that are NaN or infinite: check the weights and the precision of the backbone."
                )
            self._num_finite_blocks = index + 1

    def _saved_line(self, block: int) -> TraceLine:
        return TraceLine.from_json(self._saved_trace[block], f"saved plan of block {block}")

    def _joined(self, first_block: int, end_block: int) -> Tensor:
        return torch.cat([download.wait() for download in self._latents[first_block:end_block]])
