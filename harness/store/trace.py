"""Retrieved frames of a unit over time, from its trace.jsonl."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.core.errors import StoreError
from harness.store.files import Reader
from harness.store.frames import Sweep, as_dicts
from harness.store.paths import StorePaths
from methods.base import Role
from methods.trace import TraceLine, read_trace

ATTENDED = [
    *("unit_id", "block", "first_frame", "start_s"),
    *("frame", "frame_s", "role", "position", "score"),
]


def latent_start_s(latent: int, num_latents: int, num_frames: int, fps: float) -> float:
    """Return the second at which a latent frame begins in the decoded video.

    A causal video VAE decodes the first latent frame to one video frame and each later one to the
    same number of frames, (num_frames - 1) / (num_latents - 1), which is 4 for Wan.
    """
    if latent == 0 or num_latents < 2:
        return 0.0
    stride = (num_frames - 1) / (num_latents - 1)
    return (1 + stride * (latent - 1)) / fps


def retrieval_lines(
    reader: Reader, unit_id: str, num_latents: int, num_frames: int, fps: float
) -> list[tuple[int, float, float, float | None]]:
    """Return the memory frames of every block of a unit.

    Returns:
        block, query_s (start of the block), frame_s (start of the retrieved latent frame), score
        (similarity, None when the strategy has none). Empty when the unit retrieves nothing.
    """
    path = reader.paths.trace_path(unit_id)
    if not path.is_file():
        reader.warn(path, "missing; its retrieval map is left out.")
        return []

    def second(latent: int) -> float:
        return latent_start_s(latent, num_latents, num_frames, fps)

    lines: list[tuple[int, float, float, float | None]] = []
    for plan in reader.read_lines(path, TraceLine):
        memory = plan.memory_frames
        lines += [
            (plan.block, second(plan.first_frame), second(frame), score)
            for frame, score in zip(memory, plan.scores or (None,) * len(memory), strict=True)
        ]
    return lines


def attended_frames(sweep: Sweep) -> pd.DataFrame:
    """Return every past frame that every block of the generated units attended to.

    Columns are `ATTENDED`, in attention order; score is NaN for frames that were not retrieved by
    similarity, frame_s for virtual ones. A trace that cannot be read is left out.
    """
    lines: list[tuple[Any, ...]] = []
    generated = sweep.units[sweep.units["num_latents"].notna()]
    for unit in as_dicts(generated.drop_duplicates("unit_id")):
        folder = sweep.sources[unit["source"]].folder
        num_latents, num_frames = int(unit["num_latents"]), int(unit["num_frames"])
        path = StorePaths(folder).trace_path(unit["unit_id"])
        for plan in Reader(folder).read_lines(path, TraceLine) if path.is_file() else ():
            scores = iter(plan.scores or ())
            places = zip(plan.frames, plan.roles, plan.positions, strict=True)
            starts = [
                latent_start_s(frame, num_latents, num_frames, unit["fps"]) if frame >= 0 else None
                for frame in (plan.first_frame, *plan.frames)
            ]
            for (frame, role, position), frame_s in zip(places, starts[1:], strict=True):
                score = next(scores, None) if role is Role.memory else None
                block = (unit["unit_id"], plan.block, plan.first_frame, starts[0])
                lines.append((*block, frame, frame_s, str(role), position, score))
    return pd.DataFrame(lines, columns=ATTENDED).astype({"score": float, "frame_s": float})


def rope_scheme(trace: Path) -> str | None:
    """Tell if temporal positions are relative to the window or absolute.

    Returns:
        "relative" or "absolute"; None without a readable trace, and for a video so short that its
        last block still attends to all of the past, where both give the same positions.
    """
    try:
        last = trace.read_bytes().rstrip().rpartition(b"\n")[2]
        plan = TraceLine.from_json(last, str(trace))
    except (OSError, StoreError):
        return None
    if not plan.query_positions:
        return None
    if plan.query_positions[0] != plan.first_frame:
        return "relative"
    return "absolute" if len(plan.frames) < plan.first_frame else None


class RetrievedAt(NamedTuple):
    """The retrieved latent frames of one block, and their similarities or None."""

    start_s: float
    first_frame: int
    frames: tuple[int, ...]
    scores: tuple[float, ...] | None


def load_blocks(folder: Path, unit: dict[str, Any]) -> list[RetrievedAt]:
    """Return the retrieved frames of a finished unit by block, without blocks that have none.

    Args:
        folder: the sweep.
        unit: a line of `Sweep.units`.
    """
    path = StorePaths(folder).trace_path(unit["unit_id"])
    if not path.is_file():
        return []
    blocks = []
    num_latents, num_frames = int(unit["num_latents"]), int(unit["num_frames"])
    for plan in read_trace(path, TraceLine):
        if isinstance(plan, TraceLine) and (memory := plan.memory_frames):
            start_s = latent_start_s(plan.first_frame, num_latents, num_frames, unit["fps"])
            blocks.append(RetrievedAt(start_s, plan.first_frame, memory, plan.scores))
    return blocks
