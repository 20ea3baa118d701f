"""Pictures of retrieval: maps with thumbnails, self-similarity, trajectories, age histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from reports.site.style import PALETTE

_THUMBNAILS = 8
_PANEL_INCHES = 3.4
_THUMBNAIL_INCHES = 0.36


@dataclass(frozen=True)
class MapPanel:
    """Retrieved frames over time; one entry per retrieved frame.

    Attributes:
        title: encoder or method.
        query_s, frame_s: time of the search, and time of the retrieved frame.
        cosines: similarity of each; None if the searcher has no similarities.
    """

    title: str
    query_s: Sequence[float]
    frame_s: Sequence[float]
    cosines: Sequence[float] | None


def draw_map(
    target: Path,
    title: str,
    panels: Sequence[MapPanel],
    frames_NHWC: np.ndarray,
    duration_s: float,
) -> None:
    """Plot query time against retrieved time, coloured by similarity, with thumbnails on both axes.

    Args:
        target: .png file.
        title: title of the figure.
        panels: one per encoder or method.
        frames_NHWC: frames of the whole video, evenly spaced, RGB uint8.
        duration_s: length of the video.
    """
    figure = Figure(figsize=(_PANEL_INCHES * len(panels) + 1.2, _PANEL_INCHES + 1.3))
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=0.9 / width, right=1 - 0.7 / width, bottom=0.9 / height, top=1 - 0.7 / height
    )
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    known = [np.asarray(panel.cosines) for panel in panels if panel.cosines]
    low = min((float(c.min()) for c in known), default=0.0)
    for axes, panel in zip(grid, panels, strict=True):
        colour = panel.cosines if panel.cosines else "0.5"
        points = axes.scatter(
            panel.query_s, panel.frame_s, c=colour, s=7, cmap="viridis", vmin=low, vmax=1.0
        )
        axes.plot((0, duration_s), (0, duration_s), color="0.8", linewidth=0.8, zorder=0)
        axes.set(xlim=(0, duration_s), ylim=(0, duration_s), aspect="equal")
        axes.set_title(panel.title, fontsize=9)
        axes.tick_params(pad=24, labelsize=7, length=0)
        _thumbnails(axes, frames_NHWC, duration_s, along_x=True)
        if panel.cosines:
            last = points
    for axes in grid:
        axes.set_xlabel("query (s)", fontsize=8)
    grid[0].set_ylabel("retrieved (s)", fontsize=8)
    _thumbnails(grid[0], frames_NHWC, duration_s, along_x=False)
    if known:
        figure.colorbar(last, ax=list(grid), fraction=0.02, pad=0.01).set_label(
            "cosine", fontsize=8
        )
    figure.suptitle(title, fontsize=10)
    figure.savefig(target, dpi=130)


def _thumbnails(axes: Axes, frames_NHWC: np.ndarray, duration_s: float, along_x: bool) -> None:
    height = frames_NHWC.shape[1]
    zoom = _THUMBNAIL_INCHES * 72 / height
    for place in (np.arange(_THUMBNAILS) + 0.5) / _THUMBNAILS:
        frame = frames_NHWC[min(int(place * len(frames_NHWC)), len(frames_NHWC) - 1)]
        at = place * duration_s
        box = AnnotationBbox(
            OffsetImage(frame, zoom=zoom * 0.8),
            (at, 0) if along_x else (0, at),
            xybox=(0, -13) if along_x else (-13, 0),
            boxcoords="offset points",
            frameon=False,
        )
        axes.add_artist(box)


def draw_similarity(
    target: Path, title: str, embeddings: Mapping[str, np.ndarray], duration_s: float
) -> None:
    """Plot the self-similarity matrix of one video under several encoders, on one colour scale."""
    figure = Figure(
        figsize=(_PANEL_INCHES * len(embeddings) + 0.8, _PANEL_INCHES + 0.4), layout="constrained"
    )
    grid = figure.subplots(1, len(embeddings), squeeze=False)[0]
    matrices = {label: vectors @ vectors.T for label, vectors in embeddings.items()}
    low = min(float(matrix.min()) for matrix in matrices.values())
    for axes, (label, matrix) in zip(grid, matrices.items(), strict=True):
        image = axes.imshow(
            matrix, cmap="magma", vmin=low, vmax=1, extent=(0, duration_s, duration_s, 0)
        )
        off = matrix[~np.eye(len(matrix), dtype=bool)]
        axes.set_title(f"{label}\ncosine {off.mean():.2f} ± {off.std():.2f}", fontsize=8)
        axes.set_xlabel("s", fontsize=8)
    figure.colorbar(image, ax=list(grid), fraction=0.03, pad=0.01)
    figure.suptitle(title, fontsize=10)
    figure.savefig(target, dpi=130)


def draw_trajectories(
    target: Path, title: str, embeddings: Mapping[str, np.ndarray], duration_s: float
) -> None:
    """Plot the descriptors of one video on their first two principal components, joined in time."""
    figure = Figure(
        figsize=(_PANEL_INCHES * len(embeddings) + 0.8, _PANEL_INCHES + 0.4), layout="constrained"
    )
    grid = figure.subplots(1, len(embeddings), squeeze=False)[0]
    for axes, (label, vectors) in zip(grid, embeddings.items(), strict=True):
        centred = vectors - vectors.mean(0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        plane = u[:, :2] * s[:2]
        share = float((s[:2] ** 2).sum() / max((s**2).sum(), 1e-12))
        seconds = np.linspace(0, duration_s, len(vectors))
        axes.plot(*plane.T, color="0.8", linewidth=0.7, zorder=0)
        points = axes.scatter(*plane.T, c=seconds, s=9, cmap="plasma")
        axes.set_title(f"{label}\n{share:.0%} of the variance", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.colorbar(points, ax=list(grid), fraction=0.03, pad=0.01).set_label("s", fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.savefig(target, dpi=130)


def draw_ages(target: Path, title: str, ages: Mapping[str, Sequence[int]]) -> None:
    """Plot the age of retrieved frames, in latent frames, one line per searcher."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    oldest = max((max(values) for values in ages.values() if values), default=1)
    bins = np.linspace(0, oldest + 1, 25)
    for (label, values), colour in zip(ages.items(), PALETTE * 4, strict=False):
        share, _ = np.histogram(values, bins)
        axes.stairs(share / max(1, share.sum()), bins, color=colour, label=label)
    axes.set(xlabel="age of a retrieved frame (latent frames)", ylabel="share", title=title)
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(target, dpi=130)
