from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from reports.site.charts import _ticks, grid_figure
from reports.site.panels import Axis, Curve, Grid, Panel
from reports.site.style import Stroke


def panel(place: int) -> Panel:
    line = np.array([[0.0, -0.5], [10.0, 0.75]])
    curve = Curve(line, np.concatenate([line, line[::-1] + 0.1]), Stroke("#0173b2", "dashed"))
    label = "A metric with a long name, of which a part is in brackets (px)"
    return Panel(Axis(0, 10, "time (s)"), Axis(-0.5, 0.85, label, 1, place == 0), "one", (curve,))


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize(("num_methods", "length"), [(1, 3), (40, 12), (3, 60)])
def test_all_texts_lie_within_the_figure_and_none_on_another(
    columns: int, num_methods: int, length: int
) -> None:
    stroke = Stroke("#0173b2", "solid")
    legend = tuple((f"{n:x>{length}}", stroke) for n in range(num_methods))
    panels = tuple(panel(place) for _ in range(2) for place in range(columns))
    figure = grid_figure(Grid(panels, columns, (230, 116), legend))
    figure.set_dpi(200)  # as it is drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [one for one in figure.findobj(Text) if one.get_text()]
    assert isinstance(texts[0], Text)
    boxes = np.array([one.get_window_extent(canvas.get_renderer()).extents for one in texts])
    width, height = canvas.get_width_height()
    assert boxes.min() >= 0 and boxes[:, 2].max() <= width and boxes[:, 3].max() <= height
    low, high = boxes[:, None, :2], boxes[None, :, 2:]
    over = ((low < high) & (low < high).transpose(1, 0, 2)).all(axis=2)
    assert over.sum() == len(texts)  # each over itself alone


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 30), (0.78, 0.82), (16.2, 0.8), (-600, 40), (1e-7, 4e-7), (3e9, 3e9 + 40), (5, 5.0001)],
)
def test_numbers_of_an_axis_say_where_they_stand(start: float, end: float) -> None:
    values, texts = _ticks(Axis(start, end, ""), 6)
    assert 2 <= len(texts) == len(set(texts)) <= 8
    np.testing.assert_allclose([float(text) for text in texts], values, atol=abs(end - start) / 500)
