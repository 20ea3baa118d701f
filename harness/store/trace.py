"""Retrieved frames of a unit over time, from its trace.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.store.files import Reader

COLUMNS = ["block", "query_s", "frame_s", "score"]


def latent_start_s(latent: int, num_latents: int, num_frames: int, fps: float) -> float:
    """Second at which a latent frame begins in the decoded video.

    A causal video VAE decodes the first latent frame to one video frame and each later one to the
    same number of frames, (num_frames - 1) / (num_latents - 1), which is 4 for Wan.
    """
    if latent == 0 or num_latents < 2:
        return 0.0
    stride = (num_frames - 1) / (num_latents - 1)
    return (1 + stride * (latent - 1)) / fps


def load_retrievals(
    reader: Reader, unit_id: str, num_latents: int, num_frames: int, fps: float
) -> pd.DataFrame:
    """The memory frames of every block of a unit; see `retrieval_lines`, NaN for no score."""
    lines = retrieval_lines(reader, unit_id, num_latents, num_frames, fps)
    return pd.DataFrame(lines, columns=COLUMNS).astype({"score": float})


def retrieval_lines(
    reader: Reader, unit_id: str, num_latents: int, num_frames: int, fps: float
) -> list[tuple[int, float, float, float | None]]:
    """The memory frames of every block of a unit.

    Returns:
        block, query_s (start of the block), frame_s (start of the retrieved latent frame), score
        (similarity, None when the strategy has none). Empty when the unit retrieves nothing.
    """
    path = reader.root / "units" / unit_id / "trace.jsonl"
    if not path.is_file():
        reader.warn(path, "missing; its retrieval map is left out.")
        return []

    def second(latent: int) -> float:
        return latent_start_s(latent, num_latents, num_frames, fps)

    lines: list[tuple[int, float, float, float | None]] = []
    for plan in reader.json_lines(path):
        try:
            memory = [
                frame
                for frame, role in zip(plan["frames"], plan["roles"], strict=True)
                if role == "memory"
            ]
            scores = plan["scores"] if plan["scores"] is not None else [None] * len(memory)
            lines += [
                (plan["block"], second(plan["first_frame"]), second(frame), score)
                for frame, score in zip(memory, scores, strict=True)
            ]
        except (KeyError, TypeError, ValueError) as error:
            reader.warn(path, f"a line is not a plan, {error!r}; left out.")
    return lines


def rope_scheme(unit_folder: Path) -> str | None:
    """Whether the temporal positions of a unit are those of the window or of the whole video.

    Returns:
        "relative" or "absolute"; None without a readable trace.
    """
    try:
        last = (
            (unit_folder / "trace.jsonl").read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
        )
        plan = json.loads(last)
        moved = plan["query_positions"][0] != plan["first_frame"]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    if plan["first_frame"] == 0:
        return None  # a single block has the same positions either way
    return "relative" if moved else "absolute"


class RetrievedAt(NamedTuple):
    """What one block retrieved: `frames` are latent frames, `scores` their similarities or None."""

    start_s: float
    first_frame: int
    frames: tuple[int, ...]
    scores: tuple[float, ...] | None


def load_blocks(folder: Path, unit: dict[str, Any]) -> list[RetrievedAt]:
    """What the blocks of a finished unit retrieved; those without memory are left out.

    Args:
        folder: the sweep.
        unit: a line of `Sweep.units`.
    """
    path = folder / "units" / unit["unit_id"] / "trace.jsonl"
    if not path.is_file():
        return []
    blocks = []
    for plan in Reader(folder).json_lines(path):
        pairs = zip(plan["frames"], plan["roles"], strict=True)
        memory = tuple(int(frame) for frame, role in pairs if role == "memory")
        start_s = latent_start_s(
            plan["first_frame"], int(unit["num_latents"]), int(unit["num_frames"]), unit["fps"]
        )
        scores = None if plan["scores"] is None else tuple(plan["scores"])
        if memory:
            blocks.append(RetrievedAt(start_s, int(plan["first_frame"]), memory, scores))
    return blocks
