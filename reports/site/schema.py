"""Declares the data of the page: the only contract between Python and the script.

Each class is a JSON object with these names; the script reads them by name. `Cells` and `Videos`
are columns of equal length, because a name in each of thousands of lines costs more than the
numbers. `tests/reports/site/test_schema.py` holds both sides to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reports.papers.quoted import QuotedTable
from reports.tables.table import LeftOut

Number = float | None


@dataclass(frozen=True)
class Link:
    """A file: its name for people, and its address as seen from the page."""

    name: str
    address: str


@dataclass(frozen=True)
class Counts:
    """Units by status."""

    done: int
    running: int
    failed: int
    missing: int


@dataclass(frozen=True)
class Live:
    """data/live.js: what a page that follows a sweep asks for again and again.

    Attributes:
        build: differs from one build of the page to the next.
        counts: units by status.
    """

    build: str
    counts: Counts


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
    """Facts about a table row, as its first finished video records them.

    Attributes:
        budget_latents: most latent frames that attention sees.
        rope: "relative" or "absolute" temporal positions.
        trained_latents: length of the rollouts that the backbone was trained on.
        weights: "released", "random" or "own".
        official_setting: whether it runs the setting of the backbone's authors.
        long_setting: whether its authors have a setting for long videos.
        imported: whether the videos were made elsewhere.
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
        mean, low, high, stderr, rank, num_videos, num_prompts, reason: of
            `reports.tables.table.Cell`; low and high are its interval.
        mark: "best", "near" (within the noise of the best) or None.
        difference, difference_low, difference_high, difference_stderr, p, p_holm, effect_size,
            win_rate: against the baseline of the group; all None where there is no difference.
    """

    mean: list[Number]
    low: list[Number]
    high: list[Number]
    stderr: list[Number]
    rank: list[Number]
    num_videos: list[int]
    num_prompts: list[int]
    reason: list[str | None]
    mark: list[str | None]
    difference: list[Number]
    difference_low: list[Number]
    difference_high: list[Number]
    difference_stderr: list[Number]
    p: list[Number]
    p_holm: list[Number]
    effect_size: list[Number]
    win_rate: list[Number]


@dataclass(frozen=True)
class Metric:
    """A metric of a leaderboard with its numbers; `decimals` is how many digits are shown."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    description: str
    decimals: int
    cells: Cells


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
        left_out: the first pairs that are not compared.
        num_left_out: all of them.
    """

    backbone: str
    prompt_set: str
    duration_s: float
    num_prompts: int
    num_videos: int
    fingerprint: str
    baseline: str | None
    left_out: list[LeftOut]
    num_left_out: int


@dataclass(frozen=True)
class BoardRow:
    """A row of a leaderboard.

    Attributes:
        group: index of its group.
        rank_low, rank_high: interval of the average rank.
        spark: means of the headline metric over time, thinned; empty without a curve.
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
    peak_device_mib: Number
    peak_host_mib: Number
    spark: list[Number]


@dataclass(frozen=True)
class Board:
    """The leaderboard of one suite; the longest duration comes first."""

    suite: str
    version: str
    kind: str
    note: str
    durations_s: list[float]
    metrics: list[Metric]
    headings: list[ColumnHeading]
    groups: list[BoardGroup]
    rows: list[BoardRow]


@dataclass(frozen=True)
class Command:
    """A command that worked on a store, and the rows it asked for."""

    time: str
    text: str
    rows: list[RowLabel]


@dataclass(frozen=True)
class Source:
    """A run store: where its numbers come from.

    Attributes:
        header: address of its sweep.yaml.
        versions: of packages, by name.
    """

    name: str
    folder: str
    header: str
    created: str
    revision: str
    versions: dict[str, str]
    commands: list[Command]


@dataclass(frozen=True)
class Failure:
    """A unit without a usable record; `file` is the address of the report that says why."""

    unit_id: str
    backbone: str
    method: str
    prompt_id: str
    seed: int
    status: str
    reason: str
    file: str | None


@dataclass(frozen=True)
class ConflictingVideo:
    """The video of one store of a unit that differs between stores."""

    store: str
    sha256: str
    device: str


@dataclass(frozen=True)
class Conflict:
    """A unit whose video differs between stores; the first is shown."""

    unit_id: str
    versions: list[ConflictingVideo]


@dataclass(frozen=True)
class Strip:
    """The filmstrip of a video: its unit, method, and address."""

    unit_id: str
    method: str
    address: str


@dataclass(frozen=True)
class Showcase:
    """One prompt and seed with the filmstrips of one backbone's methods."""

    backbone: str
    prompt_id: str
    prompt: str
    seed: int
    length_s: float
    strips: list[Strip]


@dataclass(frozen=True)
class Site:
    """data/site.js: everything the front page shows. No video has a line in it.

    Attributes:
        build: differs from one build of the page to the next; empty until it is written.
        live: whether the page reloads itself when a later build changes it.
        length_s: of all finished videos together.
        p_level: differences with a smaller corrected p-value are marked.
        min_prompts: fewest prompts for an interval.
        rows: facts about every backbone and method.
        quoted: published tables, shown apart.
        num_conflicts: all of them; `conflicts` lists the first.
        files: tables and figures for papers.
        ablations: pages of experiments.
    """

    name: str
    build: str
    live: bool
    counts: Counts
    num_prompts: int
    length_s: float
    p_level: float
    min_prompts: int
    devices: list[str]
    backbones: list[str]
    methods: list[Method]
    rows: list[RowFacts]
    boards: list[Board]
    quoted: list[QuotedTable]
    sources: list[Source]
    failures: list[Failure]
    conflicts: list[Conflict]
    num_conflicts: int
    warnings: list[str]
    files: list[Link]
    ablations: list[Link]
    showcase: Showcase | None


@dataclass(frozen=True)
class Prompt:
    """A prompt of the list of videos; long texts are cut."""

    prompt_id: str
    text: str


@dataclass(frozen=True)
class Videos:
    """Columns of the list of videos, one line per unit and table row.

    Attributes:
        backbone, method: index into `Site.backbones` and `Site.methods`.
        prompt: index into `VideoList.prompts`.
        strip, record: addresses.
    """

    unit_id: list[str]
    backbone: list[int]
    method: list[int]
    prompt: list[int]
    seed: list[int]
    status: list[str]
    length_s: list[Number]
    strip: list[str | None]
    record: list[str | None]


@dataclass(frozen=True)
class Pairs:
    """Columns of the pairs a group is compared over; `prompt` as in `Videos`."""

    prompt: list[int]
    seed: list[int]


@dataclass(frozen=True)
class VideoList:
    """data/videos.js: all videos with their values.

    Attributes:
        scores: by suite the address of each video's scores.
        values: by suite, duration and metric the value of each video.
        pairs: by suite, in the order of `Board.groups`.
    """

    prompts: list[Prompt]
    videos: Videos
    scores: dict[str, list[str | None]]
    values: dict[str, dict[str, dict[str, list[Number]]]]
    pairs: dict[str, list[Pairs]]


@dataclass(frozen=True)
class DriftCurve:
    """data/drift.js by suite and metric: columns of the mean curve of one row."""

    backbone: str
    prompt_set: str
    method: str
    second: list[Number]
    mean: list[Number]
    stderr: list[Number]


@dataclass(frozen=True)
class Curves:
    """The clips of a video under one suite: columns of their times, and by metric of values."""

    start_s: list[float]
    end_s: list[float]
    values: dict[str, list[Number]]


@dataclass(frozen=True)
class Drift:
    """The change of a metric over one duration; fields as in `eval.scoring.drift.Drift`."""

    slope_per_min: Number
    early_half: Number
    late_half: Number
    late_similarity: Number


@dataclass(frozen=True)
class Retrieval:
    """One block: when it begins, and columns of the frames that its memory retrieved.

    Attributes:
        frame_s: when a retrieved frame begins.
        similarity: to the newest frames; None where the method has none.
    """

    query_s: float
    frame_s: list[float]
    similarity: list[Number]


@dataclass(frozen=True)
class Video:
    """data/units/<unit_id>.js: everything known of one video.

    Attributes:
        source: index into `Site.sources`.
        video, strip: addresses; None where the report holds none.
        scores: by suite, metric and duration the number, or the reason why there is none.
        curves: by suite.
        timings_s: seconds by stage.
        memory_mib: peaks by kind of memory; None where not measured.
        drift: by suite, metric and duration.
        frozen_s: durations over which the video stands still.
        record: record.json as text.
    """

    unit_id: str
    backbone: str
    method: str
    prompt_id: str
    prompt: str
    seed: int
    source: int
    length_s: float
    width: int
    height: int
    video: str | None
    strip: str | None
    files: list[Link]
    sha256: str
    device: str | None
    scores: dict[str, dict[str, dict[str, float | str]]]
    curves: dict[str, Curves]
    retrievals: list[Retrieval]
    timings_s: dict[str, float]
    memory_mib: dict[str, Number]
    drift: dict[str, dict[str, dict[str, Drift]]]
    frozen_s: list[float]
    record: str


@dataclass(frozen=True)
class Change:
    """A setting or argument before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class MetricDifference:
    """The difference after - before of one metric, over the videos that both stores have."""

    title: str
    higher_is_better: bool
    duration_s: float
    difference: Number
    low: Number
    high: Number
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
