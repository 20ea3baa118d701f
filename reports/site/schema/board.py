"""The leaderboard: tables, their rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.site.schema.base import Number
from reports.tables.table import LeftOut


@dataclass(frozen=True)
class Method:
    """A method and its stroke in all figures."""

    name: str
    colour: str
    line: str


@dataclass(frozen=True)
class RowLabel:
    """The labels of a table row."""

    backbone: str
    method: str


@dataclass(frozen=True)
class RowFacts:
    """Facts about a table row, from the record of its first finished video.

    Attributes:
        budget_latents: most latent frames that attention sees.
        rope: "relative" or "absolute" temporal positions.
        trained_latents: length of the rollouts that the backbone was trained on.
        weights: "released", "random" or "own".
        official_setting: whether it runs the setting of the backbone's authors.
        long_setting: whether its authors have a setting for long videos.
        imported: whether the videos were generated elsewhere.
        method_plugin: registered name, or class, of the method.
        method_args, backbone_args: arguments as text, by name.
        definition: docstring of the method's class.
    """

    backbone: str
    method: str
    budget_latents: Number = None
    rope: str | None = None
    trained_latents: Number = None
    weights: str | None = None
    official_setting: bool | None = None
    long_setting: bool | None = None
    imported: bool = False
    method_plugin: str | None = None
    method_args: dict[str, str] = field(default_factory=dict)
    backbone_args: dict[str, str] = field(default_factory=dict)
    definition: str | None = None


@dataclass(frozen=True)
class Cells:
    """One metric of a leaderboard: columns with a value per row of the leaderboard.

    Attributes:
        mean, low, high, no_interval, stderr, rank, num_videos, num_prompts, reason, best_p: of
            `reports.tables.table.Cell`; low and high are its interval.
        mark: "best", "near" (may be the best as well) or None.
        difference, difference_low, difference_high, difference_no_interval, difference_stderr, p,
            p_table, smallest_detectable, prompts_needed, effect_size, win_rate: against the
            baseline of the group; all None where there is no difference. p_table is corrected for
            the table;
            smallest_detectable and prompts_needed are of `eval.statistics.power.Reach`.
    """

    mean: list[Number]
    low: list[Number]
    high: list[Number]
    no_interval: list[str | None]
    stderr: list[Number]
    rank: list[Number]
    num_videos: list[int]
    num_prompts: list[int]
    reason: list[str | None]
    mark: list[str | None]
    best_p: list[Number]
    difference: list[Number]
    difference_low: list[Number]
    difference_high: list[Number]
    difference_no_interval: list[str | None]
    difference_stderr: list[Number]
    p: list[Number]
    p_table: list[Number]
    smallest_detectable: list[Number]
    prompts_needed: list[int | None]
    effect_size: list[Number]
    win_rate: list[Number]


@dataclass(frozen=True)
class Metric:
    """A metric of a leaderboard with its numbers.

    Attributes:
        suite: the one it was scored by; an own metric is shown beside the columns of another.
        quality: whether a better number is a better video; others have no rank and no mark.
        decimals: most decimal places of its columns.
    """

    name: str
    suite: str
    title: str
    unit: str
    higher_is_better: bool
    quality: bool
    description: str
    decimals: int
    cells: Cells


@dataclass(frozen=True)
class RecallPoints:
    """Columns of a curve against age, of `reports.tables.recall.recall_points`."""

    age_s: list[Number]
    from_s: list[Number]
    to_s: list[Number]
    mean: list[Number]
    low: list[Number]
    high: list[Number]
    stderr: list[Number]
    no_interval: list[str | None]
    num_prompts: list[int]
    num_videos: list[int]


@dataclass(frozen=True)
class RecallCurve:
    """A metric of one row against the seconds since something was first in view."""

    backbone: str
    prompt_set: str
    method: str
    points: RecallPoints


@dataclass(frozen=True)
class ColumnHeading:
    """A heading over columns: names of metrics."""

    title: str
    metrics: list[str]


@dataclass(frozen=True)
class BoardGroup:
    """The rows that compete: one backbone on one prompt set at one length.

    Attributes:
        num_prompts, num_videos: all means of the group are over these.
        fingerprint: equal for groups over the same prompts and seeds.
        baseline: the method that others are compared with.
        decimals, difference_decimals: decimal places of means, and of differences to the baseline,
            by metric.
        settings: machines and numbers of threads; speeds compare only where there is one.
        left_out: the first pairs that are not compared.
        num_left_out: all of them.
    """

    backbone: str
    prompt_set: str
    duration_s: float | str
    num_prompts: int
    num_videos: int
    fingerprint: str
    baseline: str | None
    decimals: dict[str, int]
    difference_decimals: dict[str, int]
    settings: list[str]
    left_out: list[LeftOut]
    num_left_out: int


@dataclass(frozen=True)
class BoardRow:
    """A row of a leaderboard.

    Attributes:
        group: index of its group.
        rank_low, rank_high: interval of the average rank.
        spark: means of the headline metric over time, thinned; empty without a curve.
        settings: those of its timed videos.
        others: of `reports.tables.table.Row`.
    """

    backbone: str
    method: str
    group: int
    num_videos: int
    num_planned: int
    num_frozen: int
    competes: bool
    complete: bool
    average_rank: Number
    rank_low: Number
    rank_high: Number
    frames_per_s: Number
    settings: list[str]
    peak_device_mib: Number
    peak_host_mib: Number
    spark: list[Number]


@dataclass(frozen=True)
class Board:
    """The leaderboard of one suite; the longest duration comes first.

    Attributes:
        recall: by metric the curves against age, of the longest duration; of metrics without parts
            by age there is none.
    """

    suite: str
    version: str
    kind: str
    note: str
    durations_s: list[float | str]
    metrics: list[Metric]
    headings: list[ColumnHeading]
    groups: list[BoardGroup]
    rows: list[BoardRow]
    recall: dict[str, list[RecallCurve]]
