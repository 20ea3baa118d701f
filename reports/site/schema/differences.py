"""The page of differences between two stores."""

from __future__ import annotations

from dataclasses import dataclass

from reports.site.schema.base import Number
from reports.site.schema.board import RowLabel


@dataclass(frozen=True)
class Change:
    """A setting or argument before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class MetricDifference:
    """The difference after - before of one metric, over the videos that both stores have.

    Attributes:
        quality: whether a better number is a better video.
        no_interval: why there is no interval.
        decimals: those of the difference and its interval, by its error.
        p: corrected for all rows and metrics of the two stores; None if nothing differs.
    """

    title: str
    higher_is_better: bool
    quality: bool
    duration_s: float | str
    difference: Number
    low: Number
    high: Number
    no_interval: str | None
    decimals: int
    p: Number
    num_videos: int


@dataclass(frozen=True)
class RowDifferences:
    """A row that both stores have.

    Attributes:
        num_shared: prompts and seeds finished in both.
        num_equal: videos of these with the same bytes.
    """

    backbone: str
    method: str
    num_shared: int
    num_equal: int
    arguments: list[Change]
    metrics: list[MetricDifference]


@dataclass(frozen=True)
class StoreDifferences:
    """data/differences.js: what changed from one run store to another."""

    before: str
    after: str
    settings: list[Change]
    only_before: list[RowLabel]
    only_after: list[RowLabel]
    rows: list[RowDifferences]
