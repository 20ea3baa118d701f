"""Declares the data of the page: the only contract between Python and the script.

Each class is a JSON object with these names; the script reads them by name. `Cells` and `Videos`
are columns of equal length, because a name in each of thousands of lines costs more than the
numbers. `tests/reports/site/test_schema.py` holds both sides to it.
"""

from __future__ import annotations

from reports.site.schema.base import Link, Number
from reports.site.schema.board import (
    Board,
    BoardGroup,
    BoardRow,
    Cells,
    ColumnHeading,
    Method,
    Metric,
    RecallCurve,
    RecallPoints,
    RowFacts,
    RowLabel,
)
from reports.site.schema.differences import (
    Change,
    MetricDifference,
    RowDifferences,
    StoreDifferences,
)
from reports.site.schema.orders import OrderColumn, OrderRow, OrderTable
from reports.site.schema.segments import SegmentCell, SegmentLine
from reports.site.schema.site import (
    Command,
    Conflict,
    ConflictingVideo,
    Counts,
    Failure,
    Laps,
    LapStrip,
    Live,
    Piece,
    Showcase,
    Site,
    Source,
    Strip,
)
from reports.site.schema.videos import (
    Curves,
    Drift,
    DriftCurve,
    DriftEnds,
    Prompt,
    Retrieval,
    Video,
    VideoPiece,
    Videos,
)

__all__ = [
    "Board",
    "BoardGroup",
    "BoardRow",
    "Cells",
    "Change",
    "ColumnHeading",
    "Command",
    "Conflict",
    "ConflictingVideo",
    "Counts",
    "Curves",
    "Drift",
    "DriftCurve",
    "DriftEnds",
    "Failure",
    "LapStrip",
    "Laps",
    "Link",
    "Live",
    "Method",
    "Metric",
    "MetricDifference",
    "Number",
    "OrderColumn",
    "OrderRow",
    "OrderTable",
    "Piece",
    "Prompt",
    "RecallCurve",
    "RecallPoints",
    "Retrieval",
    "RowDifferences",
    "RowFacts",
    "RowLabel",
    "SegmentCell",
    "SegmentLine",
    "Showcase",
    "Site",
    "Source",
    "StoreDifferences",
    "Strip",
    "Video",
    "VideoPiece",
    "Videos",
]
