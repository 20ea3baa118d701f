"""The content of a figure: panels with curves or marks; `reports.site.charts` draws them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.site.style import Stroke


@dataclass(frozen=True)
class Curve:
    """A line with a band around it.

    Attributes:
        points_N2: x and y of the line.
        band_N2: corners of the band.
        stroke: how the line looks.
    """

    points_N2: np.ndarray
    band_N2: np.ndarray
    stroke: Stroke


@dataclass(frozen=True)
class Mark:
    """A marker, with a bar from `low` to `high` where there is an interval."""

    x: float
    y: float
    low: float | None
    high: float | None
    stroke: Stroke


@dataclass(frozen=True)
class Axis:
    """An axis from its left or lower end to its other one.

    Attributes:
        start, end: values there.
        label: text beside it.
        better: 1 if values towards the end are better, -1 towards the start, 0 for neither.
        numbered: whether it has its label and numbers, or shares those of a neighbour.
    """

    start: float
    end: float
    label: str
    better: int = 0
    numbered: bool = True


@dataclass(frozen=True)
class Panel:
    """A panel: curves or marks within two axes, under a title."""

    x: Axis
    y: Axis
    title: str = ""
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Panels side by side, line by line, under a legend.

    Attributes:
        panels: those of a line have y axes of one label and range from each numbered one on.
        num_columns: panels of a line.
        panel_size: width of a column and height within the axes, in points.
        legend: names, and how the lines of each look.
        with_markers: the legend shows markers instead of lines.
    """

    panels: tuple[Panel, ...]
    num_columns: int
    panel_size: tuple[float, float]
    legend: tuple[tuple[str, Stroke], ...]
    with_markers: bool = False
