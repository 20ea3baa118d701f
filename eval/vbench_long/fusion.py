"""Slow-fast fusion of consistency within clips and consistency from clip to clip.

Source: VBench-Long with `dev_flag`; mapping tables and weights are those of its configuration.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

WEIGHT_IN_CLIP = 0.5
WEIGHT_CLIP_TO_CLIP = 0.5
_TABLES = Path(__file__).parent / "data" / "mapping_tables.json"


@lru_cache
def mapping_table(dimension: str) -> tuple[float, ...]:
    """Return the values of the mapping at 0.00, 0.01, ..., 1.00.

    Args:
        dimension: subject_consistency or background_consistency.
    """
    return tuple(json.loads(_TABLES.read_text())[dimension])


def map_clip_to_clip(dimension: str, score: float) -> float:
    """Map a clip-to-clip score to the range of in-clip scores, linear between table entries."""
    table = mapping_table(dimension)
    return float(np.interp(score, np.arange(len(table)) / (len(table) - 1), table))


def fuse(in_clip: float, mapped: float) -> float:
    """Return the weighted sum, half each; the in-clip score alone if `mapped` is 0."""
    # As in the official code, where 0 stands for a video without a clip-to-clip score.
    return WEIGHT_IN_CLIP * in_clip + WEIGHT_CLIP_TO_CLIP * mapped if mapped != 0.0 else in_clip
