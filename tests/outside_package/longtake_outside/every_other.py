"""A memory strategy: every n-th candidate, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from methods.retrieval import Retrieval, Selection


@dataclass
class EveryOther(Retrieval):
    """Every n-th candidate, newest first.

    Args:
        step_latents: distance between two retrieved frames.
    """

    step_latents: int = 2

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Take every n-th candidate, newest first."""
        return Selection(tuple(candidates[:: -self.step_latents][: self.memory_latents]), None)
