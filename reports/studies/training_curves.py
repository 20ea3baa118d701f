"""Curves of one encoder training: losses, and early retrieval numbers, from curves.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.site.style import PALETTE

_LOSSES = ("total", "recon", "delta", "smooth")
_EARLY = {
    "near_cosine": "cosine of neighbours",
    "far_cosine": "cosine of frames 6 s apart",
    "duplicates": "retrieved frames with a duplicate",
}


def draw_curves(path: Path) -> Path | None:
    """Draw `curves.csv` as a .png beside it and return its path; None if there is no data yet."""
    if not path.is_file():
        return None
    curves = pd.read_csv(path)
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, colour in zip(_LOSSES, PALETTE, strict=False):
        left.plot(curves["step"], curves[f"val_{name}"], color=colour, label=name)
        left.plot(curves["step"], curves[f"train_{name}"], color=colour, alpha=0.35, linewidth=1)
    left.set(xlabel="step", ylabel="loss (pale: training)", yscale="log")
    for (name, title), colour in zip(_EARLY.items(), PALETTE, strict=False):
        right.plot(curves["step"], curves[name], color=colour, label=title)
    right.set(xlabel="step", ylabel="on held-out prompts", ylim=(-0.05, 1.05))
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
    target = path.with_suffix(".png")
    figure.savefig(target, dpi=150)
    return target
