"""Grids of panels as figures of few artists: matplotlib's own axes take several times as long."""

from __future__ import annotations

import textwrap
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path as File

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D
from PIL import Image

from reports.site.panels import Axis, Grid, Panel
from reports.site.style import LIGHT, LINES, Stroke

PNG_DPI = 200
MARKERS = ("o", "s", "^", "D")  # one per line style
_TITLE, _LABEL, _NUMBER = (  # ships with matplotlib, so all machines have it
    FontProperties(family="DejaVu Sans", size=size) for size in (10, 9, 8.5)
)
# In points, as all of this file.
_PAD, _LINE, _GAP = 6.0, 13.0, 10.0
_HANDLE, _TICK, _MARKER, _ARROW = 22.0, 4.0, 7.0, 7.0
_CHAR = 6.5  # width of a letter of a label, about
_BAND_ALPHA = 0.18
_PLAIN, _POWERS = ([f".{digits}{kind}" for digits in range(n)] for kind, n in (("f", 6), ("e", 17)))


@dataclass
class _Strokes:
    """Lines of one style, drawn as one artist."""

    shapes: list[np.ndarray] = field(default_factory=list)
    colours: list[tuple[float, ...]] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, shape: np.ndarray, colour: str, width: float) -> None:
        self.shapes.append(shape)
        self.colours.append(to_rgba(colour))
        self.widths.append(width)


class _Drawing:
    """Collects what a figure shows, in points from its lower left corner, by kind."""

    def __init__(self) -> None:
        self._rules = _Strokes()
        self._bands: list[np.ndarray] = []
        self._band_colours: list[tuple[float, ...]] = []
        self._lines: dict[str, _Strokes] = {}
        self._markers: list[Path] = []
        self._marker_colours: list[tuple[float, ...]] = []
        self._texts: list[Text] = []

    def rule(self, shape_N2: np.ndarray, colour: str, width: float) -> None:
        self._rules.add(shape_N2, colour, width)

    def line(self, shape_N2: np.ndarray, stroke: Stroke) -> None:
        self._lines.setdefault(stroke.line, _Strokes()).add(shape_N2, stroke.colour, 1.6)

    def band(self, shape_N2: np.ndarray, stroke: Stroke) -> None:
        self._bands.append(shape_N2)
        self._band_colours.append(to_rgba(stroke.colour, _BAND_ALPHA))

    def arrow(self, x: float, y: float, along_x: int, along_y: int) -> None:
        """Draw an arrow around a place. A shape, as the letter is a font of its own in PDFs."""
        along, across = np.array([along_x, along_y]), np.array([along_y, along_x])
        tip = np.array([x, y]) + along * _ARROW / 2
        back = tip - along * 2.5
        self.rule(np.array([tip - along * _ARROW, tip]), LIGHT.ink, 0.9)
        self.rule(np.array([back + across * 2, tip, back - across * 2]), LIGHT.ink, 0.9)

    def marker(self, x: float, y: float, stroke: Stroke) -> None:
        style = MarkerStyle(MARKERS[LINES.index(stroke.line)])
        place = style.get_transform() + Affine2D().scale(_MARKER).translate(x, y)
        self._markers.append(style.get_path().transformed(place))
        self._marker_colours.append(to_rgba(stroke.colour))

    def text(
        self, x: float, y: float, text: str, font: FontProperties, ha: str, rotation: int = 0
    ) -> None:
        self._texts.append(
            Text(
                x,
                y,
                text,
                color=LIGHT.ink,
                fontproperties=font,
                ha=ha,
                va="center",
                multialignment="center",
                rotation=rotation,
                parse_math=False,
            )
        )

    def figure(self, width: float, height: float) -> Figure:
        """Return the figure of a size."""
        figure = Figure(figsize=(width / 72, height / 72))
        points = Affine2D().scale(1 / 72) + figure.dpi_scale_trans
        rules = self._rules
        artists = [
            LineCollection(rules.shapes, colors=rules.colours, linewidths=rules.widths, zorder=1),
            PolyCollection(self._bands, facecolors=self._band_colours, linewidths=0, zorder=2),
        ]
        for style, lines in self._lines.items():
            artists.append(
                LineCollection(
                    lines.shapes,
                    colors=lines.colours,
                    linewidths=lines.widths,
                    linestyles=style,
                    capstyle="round" if style == LINES[0] else "butt",
                    joinstyle="round",
                    zorder=3,
                )
            )
        artists.append(
            PathCollection(self._markers, facecolors=self._marker_colours, linewidths=0, zorder=4)
        )
        for artist in (*artists, *self._texts):
            artist.set_transform(points)
            figure.add_artist(artist)
        return figure


def save(grid: Grid, svg: File, pdf: File, png: File) -> None:
    """Draw a grid into files; the same grid gives the same bytes."""
    with warnings.catch_warnings():
        # A label may hold an emoji, which the font lacks; the figure shows a box in its place.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        # Type 42 keeps text as text.
        with mpl.rc_context({"svg.hashsalt": "longtake", "pdf.fonttype": 42}):
            figure = grid_figure(grid)
            figure.savefig(svg, transparent=True, metadata={"Date": None})
            figure.savefig(pdf, transparent=True, metadata={"CreationDate": None})
            figure.set_dpi(PNG_DPI)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
    colours_HWC = np.asarray(canvas.buffer_rgba())[..., :3]  # nothing shows through
    # Run lengths take two thirds of the time of the usual search, and fewer bytes.
    picture = Image.fromarray(np.ascontiguousarray(colours_HWC))
    picture.save(png, dpi=(PNG_DPI, PNG_DPI), compress_type=zlib.Z_RLE)


def grid_figure(grid: Grid) -> Figure:
    """Draw a grid."""
    panels, num_columns, panel_size, legend = (
        *(grid.panels, grid.num_columns, grid.panel_size, grid.legend),
    )
    drawing = _Drawing()
    labels = {id(panel): _wrapped(panel.y.label, panel_size[1]) for panel in panels}
    column = _HANDLE + _GAP + max(_width(name, _LABEL) for name, _ in legend)
    width = max(panel_size[0] * num_columns, column + 2 * _PAD)
    per_row = min(len(legend), max(1, int((width - 2 * _PAD) / column)))
    num_rows = -(-len(legend) // per_row)
    per_row = -(-len(legend) // num_rows)  # rows of about one length
    num_lines = -(-len(panels) // num_columns)
    inner_height = panel_size[1]
    above = 2 * _PAD + _LINE * (num_rows + 1)
    height = above + num_lines * (inner_height + _GAP) - _GAP + _TICK + 2.2 * _LINE + _PAD

    left = (width - per_row * column) / 2
    for index, (name, stroke) in enumerate(legend):
        x = left + index % per_row * column
        y = height - _PAD - _LINE * (index // per_row + 0.5)
        if grid.with_markers:
            drawing.marker(x + _HANDLE / 2, y, stroke)
        else:
            drawing.line(np.array([[x, y], [x + _HANDLE - 4, y]]), stroke)
        drawing.text(x + _HANDLE, y, name, _LABEL, "left")

    y_ticks = {id(p): _ticks(p.y, inner_height / (2 * _NUMBER.get_size())) for p in panels}
    numbered = [p for p in panels if p.y.numbered]
    numbers = max(_width(text, _NUMBER) for p in numbered for text in y_ticks[id(p)][1])
    label_lines = 1 + max(labels[id(p)].count("\n") for p in numbered)
    margin = _PAD + label_lines * _LINE + numbers + _TICK + 3
    margins = [margin if p.y.numbered else _GAP for p in panels[:num_columns]]
    inner_width = (width - sum(margins) - 2 * _PAD) / num_columns  # half a number to the right
    for index, panel in enumerate(panels):
        line, place = divmod(index, num_columns)
        x0 = sum(margins[: place + 1]) + place * inner_width
        y1 = height - above - line * (inner_height + _GAP)
        box = _Box(panel, x0, y1 - inner_height, inner_width, inner_height)
        _draw_panel(drawing, box, y_ticks[id(panel)])
        if panel.y.numbered:
            x = x0 - numbers - _TICK - 3 - label_lines * _LINE / 2
            y = y1 - inner_height / 2
            drawing.text(x, y, labels[id(panel)], _LABEL, "center", rotation=90)
            if panel.y.better:
                end = y + _widest(labels[id(panel)]) / 2 + _ARROW
                drawing.arrow(x, end, 0, panel.y.better)
    return drawing.figure(width, height)


@dataclass(frozen=True)
class _Box:
    """A panel with the place within its axes."""

    panel: Panel
    left: float
    low: float
    width: float
    height: float

    def x(self, value: float) -> float:
        axis = self.panel.x
        return self.left + (value - axis.start) / (axis.end - axis.start) * self.width

    def y(self, value: float) -> float:
        axis = self.panel.y
        return self.low + (value - axis.start) / (axis.end - axis.start) * self.height

    def placed(self, shape_N2: np.ndarray) -> np.ndarray:
        x, y = self.panel.x, self.panel.y
        start, span = (x.start, y.start), (x.end - x.start, y.end - y.start)
        return (shape_N2 - start) / span * (self.width, self.height) + (self.left, self.low)


def _draw_panel(drawing: _Drawing, box: _Box, y_ticks: tuple[list[float], list[str]]) -> None:
    panel, right, high = box.panel, box.left + box.width, box.low + box.height
    drawing.text((box.left + right) / 2, high + _LINE / 2 + 2, panel.title, _TITLE, "center")
    for value, text in zip(*_ticks(panel.x, box.width / (3 * _NUMBER.get_size())), strict=True):
        x = box.x(value)
        drawing.rule(np.array([[x, box.low], [x, high]]), LIGHT.rule, 0.6)
        drawing.rule(np.array([[x, box.low - _TICK], [x, box.low]]), LIGHT.muted, 1)
        if panel.x.numbered:
            drawing.text(x, box.low - _TICK - 3 - _LINE / 2, text, _NUMBER, "center")
    for value, text in zip(*y_ticks, strict=True):
        y = box.y(value)
        drawing.rule(np.array([[box.left, y], [right, y]]), LIGHT.rule, 0.6)
        drawing.rule(np.array([[box.left - _TICK, y], [box.left, y]]), LIGHT.muted, 1)
        if panel.y.numbered:
            drawing.text(box.left - _TICK - 3, y, text, _NUMBER, "right")
    axes = np.array([[box.left, high], [box.left, box.low], [right, box.low]])
    drawing.rule(axes, LIGHT.muted, 1)
    if panel.x.numbered:
        y = box.low - _TICK - 3 - 1.6 * _LINE
        drawing.text((box.left + right) / 2, y, panel.x.label, _LABEL, "center")
        if panel.x.better:
            end = (box.left + right + _widest(panel.x.label)) / 2 + _ARROW
            drawing.arrow(end, y, panel.x.better, 0)
    for curve in panel.curves:
        drawing.band(box.placed(curve.band_N2), curve.stroke)
        drawing.line(box.placed(curve.points_N2), curve.stroke)
    for mark in panel.marks:
        x = box.x(mark.x)
        if mark.low is not None and mark.high is not None:
            bar = np.array([[x, box.y(mark.low)], [x, box.y(mark.high)]])
            drawing.rule(bar, mark.stroke.colour, 1.2)
        drawing.marker(x, box.y(mark.y), mark.stroke)
    if not panel.curves and not panel.marks:
        drawing.text((box.left + right) / 2, (box.low + high) / 2, "no values", _LABEL, "center")


def _ticks(axis: Axis, most: float) -> tuple[list[float], list[str]]:
    """Return the values of about as many ticks as there is space for, and their texts."""
    low, high = sorted((axis.start, axis.end))
    locator = MaxNLocator(nbins=int(min(9, max(1, most))), steps=[1, 2, 2.5, 5, 10])
    values = [float(value) for value in locator.tick_values(low, high) if low <= value <= high]
    return values, _numbers(values)


def _numbers(values: Sequence[float]) -> list[str]:
    """Return values, evenly apart, as texts of as few decimals as tell them exactly enough."""
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    plain = max(map(abs, values), default=0.0) < 1e6
    texts: list[str] = []
    for form in (*(_PLAIN if plain else ()), *_POWERS):
        texts = [format(value + 0.0, form) for value in values]
        if all(abs(float(text) - v) < step / 100 for text, v in zip(texts, values, strict=True)):
            break
    return texts


def _wrapped(label: str, length: float) -> str:
    return textwrap.fill(label, max(8, round(length / _CHAR)))


def _widest(label: str) -> float:
    return max(_width(line, _LABEL) for line in label.splitlines())


def _width(text: str, font: FontProperties) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
