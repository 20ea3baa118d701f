"""A sweep of more prompts, made from the frames of a small one."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from harness.store.frames import Sweep


def more_prompts(sweep: Sweep, copies: int) -> Sweep:
    """The same sweep with every prompt as often as `copies` says, values a little apart."""

    def repeated(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
        parts = []
        for copy in range(copies):
            part = frame.assign(**{name: frame[name].astype(str) + f"_{copy}" for name in names})
            if "value" in part:
                part["value"] += 0.003 * copy
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    return replace(
        sweep,
        units=repeated(sweep.units, "unit_id", "prompt_id"),
        scores=repeated(sweep.scores, "unit_id"),
        ages=repeated(sweep.ages, "unit_id"),
    )
