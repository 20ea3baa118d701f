"""Retrieval of the frames that followed the best match, a method of Longtake.

Frames similar to the newest ones show what is already in view. The next block needs the frames that
came into view after it, the last time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from methods.base import RolloutSpec
from methods.rag import Rag
from methods.retrieval import Selection


@dataclass
class Successor(Rag):
    """The frames that followed the candidates most similar to the newest clean frames.

    Encoder, query, layout, budget and guard are those of `rag`. Only candidates are retrieved, so
    the guard holds for what followed as well. The frames after two matches never overlap: the less
    similar match is passed over. Each frame has the similarity of the match that it followed.

    Args:
        matches: number of matches, the most similar moments.
        after_latents: frames taken after each match; None shares `memory_latents` equally.
    """

    matches: int = 1
    after_latents: int | None = None

    def reset(self, rollout: RolloutSpec) -> None:
        """Start a new video.

        Raises:
            ConfigError: the frames after the matches exceed the memory, or there are none.
        """
        super().reset(rollout)
        if not self.memory_latents:
            return
        if self.matches < 1:
            raise ConfigError(f"matches must be at least 1, got {self.matches}.")
        share = max(1, self.memory_latents // self.matches)
        self._after = share if self.after_latents is None else self.after_latents
        if self._after < 1 or self.matches * self._after > self.memory_latents:
            raise ConfigError(
                f"matches={self.matches} with {self._after} frames after each do not fit into "
                f"memory_latents={self.memory_latents}; take 1 to {self.memory_latents} in all."
            )

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Return the frames after the best matches, in order of similarity."""
        start, stop = candidates[0], candidates[-1] + 1
        # Early in a video there are fewer candidates than frames wanted; one match has them all.
        after = min(self._after, stop - start)
        # A match need not be a candidate itself: what follows the last sink frame may be retrieved.
        first_match, end_match = max(0, start - 1), stop - after
        hits = self._index.search(
            self.query(first_frame), first_match, end_match, end_match - first_match
        )
        chosen: list[int] = []
        frames: list[int] = []
        scores: list[float] = []
        for match, cosine in zip(*hits, strict=True):
            if all(abs(match - other) >= after for other in chosen):
                chosen.append(match)
                frames += range(match + 1, match + 1 + after)
                scores += [cosine] * after
            if len(chosen) == self.matches:
                break
        return Selection(tuple(frames), tuple(scores))
