"""The plans of a rollout as lines of JSON, one per block: the file trace.jsonl of a unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from harness.core.errors import StoreError
from harness.core.typed_files import from_json
from methods.base import ContextPlan, Role

T = TypeVar("T")
# In the order that people read them.
_KEYS = ("block", "first_frame", "frames", "positions", "query_positions", "roles", "scores")
_SCRIPT_KEYS = (*_KEYS, "segment")


@dataclass(frozen=True, kw_only=True)
class AttendedFrames:
    """The past frames of one block: the part of a trace that method oracle needs.

    Attributes:
        first_frame: first latent frame of the block.
        frames: past latent frames in attention order.
        roles: role of each of `frames`.
    """

    first_frame: int
    frames: tuple[int, ...]
    roles: tuple[Role, ...]

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.roles):
            raise ValueError("frames and roles differ in length")

    @property
    def memory_frames(self) -> tuple[int, ...]:
        """Retrieved latent frames, in attention order."""
        pairs = zip(self.frames, self.roles, strict=True)
        return tuple(frame for frame, role in pairs if role is Role.memory)


@dataclass(frozen=True, kw_only=True)
class TraceLine(AttendedFrames):
    """The context plan of one block.

    Attributes:
        block: index of the block.
        positions: temporal RoPE position of each of `frames`.
        query_positions: temporal RoPE position of each latent frame of the block.
        scores: similarity of each memory frame to the query, or None.
    """

    block: int
    positions: tuple[int, ...]
    query_positions: tuple[int, ...]
    scores: tuple[float, ...] | None
    segment: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.frames) != len(self.positions):
            raise ValueError("frames and positions differ in length")
        if self.scores is not None and len(self.scores) != len(self.memory_frames):
            raise ValueError("there isn't one score per memory frame")

    @classmethod
    def of(
        cls, block: int, first_frame: int, plan: ContextPlan, segment: int | None = None
    ) -> TraceLine:
        """Convert the plan of a block."""
        return cls(
            block=block,
            first_frame=first_frame,
            frames=plan.frames,
            positions=plan.positions,
            query_positions=plan.query_positions,
            roles=plan.roles,
            scores=plan.scores,
            segment=segment,
        )

    def without_scores(self) -> TraceLine:
        """Return the line without the scores, which do not change pixels."""
        return replace(self, scores=None)

    def to_json(self) -> str:
        """Return the line, without its end."""
        plain = asdict(self)
        keys = _KEYS if self.segment is None else _SCRIPT_KEYS
        return json.dumps({key: plain[key] for key in keys})

    @classmethod
    def from_json(cls, text: bytes | str, name: str) -> TraceLine:
        """Read a line; `name` identifies it in messages.

        Raises:
            StoreError: the text does not describe the plan of a block.
        """
        return from_json(text, cls, name)


def read_trace(path: Path, cls: type[T]) -> Iterator[T | StoreError]:
    """Read a trace.jsonl line by line; a damaged line yields the error that describes it.

    Args:
        path: the file.
        cls: `TraceLine`, or `AttendedFrames` for a trace written by hand.

    Raises:
        OSError: the file cannot be read.
    """
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                yield from_json(line, cls, f"{path}, line {number}")
            except StoreError as error:
                yield error
