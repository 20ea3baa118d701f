"""A method that waits or fails as the files `hold` and `fault` of its folder request.

They are not part of a unit's identity: without them the same unit runs undisturbed.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from methods.base import ContextPlan
from methods.sliding_window import SlidingWindow
from slurm.node.requeue import StopSignals


@dataclass
class Obstacle(SlidingWindow):
    """A sliding window that can be held up at any block, and fails in the third one."""

    def plan(self, first_frame: int) -> ContextPlan:
        _wait(first_frame, self._rollout.seed)
        kind, _, seed = _content("fault").partition(" ")
        if first_frame == 6 and seed in ("", str(self._rollout.seed)):
            _trip(kind)
        return super().plan(first_frame)


def _wait(first_frame: int, seed: int) -> None:
    """Wait while `hold` names this frame or an earlier one, the seed, and the node.

    The file `held` tells that a task waits. One that is asked to stop removes `hold` and goes on,
    so that its next start is not held up again.
    """
    while hold := _content("hold"):
        from_frame, of_seed, on_node = hold.split()
        here = os.environ.get("SLURMD_NODENAME", "")
        named = of_seed in ("*", str(seed)) and on_node in ("*", here)
        if first_frame < int(from_frame) or not named:
            return
        Path("held").touch()
        handler = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if isinstance(handler, StopSignals) and handler.received():
            Path("hold").unlink(missing_ok=True)
        time.sleep(0.05)


def _content(name: str) -> str:
    try:
        return Path(name).read_text().strip()
    except FileNotFoundError:
        return ""


def _trip(kind: str) -> None:
    if kind == "raise":
        raise RuntimeError("no plan today")
    if kind == "exit":
        os.execv("/bin/sh", ["sh", "-c", "exit 3"])
    if kind == "memory":
        filled = bytearray(3 * 2**30)
        filled[::4096] = b"x" * len(filled[::4096])
        time.sleep(60)
