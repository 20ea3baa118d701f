"""Replaying recorded rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.studies.replay import ReplayResult


def replay(case: str | Path, progress: bool = False) -> ReplayResult:
    """Roll out with recorded noise and compare with recorded latents and retrieved frames.

    Args:
        case: the .safetensors file of a recording, with its .json file beside it.
        progress: print a bar.

    Returns:
        The relative error over the whole rollout, and how many blocks retrieved the recorded
        frames. `passes(1e-3)` compares with a tolerance.

    Raises:
        ConfigError: a missing or malformed file, or settings that the engine does not support.
    """
    from harness.cli.replay_command import replay_with_bar
    from harness.studies import replay as study

    path = Path(case)
    return replay_with_bar(path) if progress else study.replay(path, lambda done, total: None)
