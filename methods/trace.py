"""The plans of a rollout as lines of JSON, one per block: the file trace.jsonl of a unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.core.errors import StoreError
from harness.core.typed_files import from_json
from methods.base import ContextPlan, Role


@dataclass(frozen=True)
class TraceLine:
    """The context plan of one block.

    Attributes:
        block: index of the block.
        first_frame: its first latent frame.
        frames: past latent frames in attention order.
        positions: temporal RoPE position of each of `frames`.
        query_positions: temporal RoPE position of each latent frame of the block.
        roles: role of each of `frames`.
        scores: similarity of each memory frame to the query, or None.
    """

    block: int
    first_frame: int
    frames: tuple[int, ...]
    positions: tuple[int, ...]
    query_positions: tuple[int, ...]
    roles: tuple[Role, ...]
    scores: tuple[float, ...] | None

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.positions) == len(self.roles):
            raise ValueError("frames, positions and roles differ in length")
        if self.scores is not None and len(self.scores) != len(self.memory_frames):
            raise ValueError("there isn't one score per memory frame")

    @classmethod
    def of(cls, block: int, first_frame: int, plan: ContextPlan) -> TraceLine:
        """Describe the plan of a block."""
        return cls(
            block=block,
            first_frame=first_frame,
            frames=plan.frames,
            positions=plan.positions,
            query_positions=plan.query_positions,
            roles=plan.roles,
            scores=plan.scores,
        )

    @property
    def memory_frames(self) -> tuple[int, ...]:
        """Retrieved latent frames, in attention order."""
        pairs = zip(self.frames, self.roles, strict=True)
        return tuple(frame for frame, role in pairs if role is Role.memory)

    def without_scores(self) -> TraceLine:
        """Return the plan as far as it changes pixels."""
        return replace(self, scores=None)

    def to_json(self) -> str:
        """Return the line, without its end."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes | str, name: str) -> TraceLine:
        """Read a line; `name` says in messages which one.

        Raises:
            StoreError: the text is no plan of a block.
        """
        return from_json(text, cls, name)


def read_trace(path: Path) -> Iterator[TraceLine | StoreError]:
    """Read a trace.jsonl line by line; a damaged line yields the error that describes it.

    Raises:
        OSError: the file cannot be read.
    """
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                yield TraceLine.from_json(line, f"{path}, line {number}")
            except StoreError as error:
                yield error
