"""Curves of one training of a world: what memory is worth to it, from curves.csv."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from reports.site.style import PALETTE

_KINDS = {
    "right": "the right frames",
    "half": "half of them right",
    "random": "random frames",
    "window": "window only",
}


def draw_world_curves(path: Path) -> Path:
    """Draw `curves.csv` as a .png beside it and return its path."""
    curves = pd.read_csv(path)
    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    for (kind, title), colour in zip(_KINDS.items(), PALETTE, strict=False):
        if kind in curves:
            axes.plot(curves["step"], curves[kind], color=colour, label=title)
    axes.set(
        xlabel="step", ylabel="loss where something returns", yscale="log", title="memory given"
    )
    axes.legend(frameon=False, fontsize=8)
    target = path.with_suffix(".png")
    figure.savefig(target, dpi=150)
    return target
