"""The plans of a rollout as lines of JSON, one per block: the file trace.jsonl of a unit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from harness.core.errors import StoreError
from harness.core.typed_files import from_json
from methods.base import ContextPlan, Group, Role
from methods.groups import Heads
from methods.virtual import Write

T = TypeVar("T")
# In the order that people read them.
_KEYS = ("block", "first_frame", "frames", "positions", "query_positions", "roles", "scores")


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
class TraceGroup:
    """The context of a group of heads.

    Attributes:
        heads: its heads, for each layer.
        frames: past latent frames in attention order.
        positions: temporal RoPE position of each of `frames`.
        query_positions: temporal RoPE position of each latent frame of the block.
        roles: role of each of `frames`.
    """

    heads: Heads
    frames: tuple[int, ...]
    positions: tuple[int, ...]
    query_positions: tuple[int, ...]
    roles: tuple[Role, ...]


@dataclass(frozen=True, kw_only=True)
class TraceLine(AttendedFrames):
    """The context plan of one block.

    Attributes:
        block: index of the block.
        positions: temporal RoPE position of each of `frames`.
        query_positions: temporal RoPE position of each latent frame of the block.
        scores: similarity of each memory frame to the query, or None.
        segment: index of the segment; None for a video with one prompt.
        writes: slots of virtual frames that were computed before the block.
        groups: heads with a context of their own.
    """

    block: int
    positions: tuple[int, ...]
    query_positions: tuple[int, ...]
    scores: tuple[float, ...] | None
    segment: int | None = None
    writes: tuple[Write, ...] = ()
    groups: tuple[TraceGroup, ...] = ()

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
            writes=plan.writes,
            groups=tuple(
                TraceGroup(
                    heads=group.heads,
                    frames=group.plan.frames,
                    positions=group.plan.positions,
                    query_positions=group.plan.query_positions,
                    roles=group.plan.roles,
                )
                for group in plan.groups
            ),
        )

    def plan(self) -> ContextPlan:
        """Return the plan, of which the line holds all."""
        groups = tuple(
            Group(
                group.heads,
                ContextPlan(group.frames, group.positions, group.query_positions, group.roles),
            )
            for group in self.groups
        )
        return ContextPlan(
            self.frames,
            self.positions,
            self.query_positions,
            self.roles,
            self.scores,
            self.writes,
            groups,
        )

    def without_scores(self) -> TraceLine:
        """Return the line without the scores, which do not change pixels."""
        return replace(self, scores=None)

    def to_json(self) -> str:
        """Return the line, without its end."""
        plain = asdict(self)
        optional = {"segment": None, "writes": (), "groups": ()}
        keys = (*_KEYS, *(key for key, unused in optional.items() if plain[key] != unused))
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
