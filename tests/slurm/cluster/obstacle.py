"""A method that trips over what the files `pace` and `fault` of its folder say.

They are no part of a unit's identity: without them the same unit runs undisturbed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from methods.base import ContextPlan
from methods.sliding_window import SlidingWindow


@dataclass
class Obstacle(SlidingWindow):
    """A sliding window that is slow, or fails in the third block."""

    def plan(self, first_frame: int) -> ContextPlan:
        time.sleep(float(_content("pace") or 0))
        kind, _, seed = _content("fault").partition(" ")
        if first_frame == 6 and seed in ("", str(self._rollout.seed)):
            _trip(kind)
        return super().plan(first_frame)


def _content(name: str) -> str:
    path = Path(name)
    return path.read_text().strip() if path.is_file() else ""


def _trip(kind: str) -> None:
    if kind == "raise":
        raise RuntimeError("no plan today")
    if kind == "exit":
        os._exit(3)
    if kind == "memory":
        filled = bytearray(3 * 2**30)
        filled[::4096] = b"x" * len(filled[::4096])
        time.sleep(60)
