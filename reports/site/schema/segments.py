"""data/segments.js: the means of each metric by segment of a script."""

from __future__ import annotations

from dataclasses import dataclass

from reports.site.schema.base import Number


@dataclass(frozen=True)
class SegmentCell:
    """A segment, counted from 1: its start, and the mean over the videos that have a value."""

    segment: int
    start_s: Number
    mean: Number
    stderr: Number
    num_videos: int


@dataclass(frozen=True)
class SegmentLine:
    """The segments of a row."""

    backbone: str
    prompt_set: str
    method: str
    cells: list[SegmentCell]
