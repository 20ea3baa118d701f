"""data/segments.js: the means of each metric by segment."""

from __future__ import annotations

import pandas as pd

from harness.store.frames import as_dicts
from reports.site import schema
from reports.site.data_files import exact
from reports.tables.curves import KEYS


def segment_lines(means: pd.DataFrame) -> dict[str, dict[str, list[schema.SegmentLine]]]:
    """Return the lines of `reports.tables.segments.segment_means` by suite and metric."""
    lines: dict[str, dict[str, list[schema.SegmentLine]]] = {}
    for labels, row in means.groupby(KEYS, sort=False) if len(means) else ():
        suite, metric, backbone, prompt_set, method = map(str, labels)
        cells = [
            schema.SegmentCell(
                segment=cell["segment"] + 1,
                start_s=exact(cell["start_s"]),
                mean=exact(cell["mean"]),
                stderr=exact(cell["stderr"]),
                num_videos=cell["num_videos"],
            )
            for cell in as_dicts(row.sort_values("segment"))
        ]
        line = schema.SegmentLine(backbone, prompt_set, method, cells)
        lines.setdefault(suite, {}).setdefault(metric, []).append(line)
    return lines
