"""data/site.js and data/live.js: the front page."""

from __future__ import annotations

from dataclasses import dataclass

from reports.papers.quoted import QuotedTable
from reports.papers.spread import Spread
from reports.site.schema.base import Link, Number
from reports.site.schema.board import Board, Method, RowFacts, RowLabel
from reports.tables.sentence import Sentence


@dataclass(frozen=True)
class Counts:
    """Units by status."""

    done: int
    running: int
    failed: int
    missing: int


@dataclass(frozen=True)
class Live:
    """data/live.js: the state that a page following a sweep reads repeatedly.

    Attributes:
        build: differs from one build of the page to the next.
        counts: units by status.
    """

    build: str
    counts: Counts


@dataclass(frozen=True)
class Command:
    """A command of a sweep, and the rows it requested."""

    time: str
    text: str
    rows: list[RowLabel]


@dataclass(frozen=True)
class Source:
    """A run store that numbers come from.

    Attributes:
        folder: None on a page for others.
        header: address of its sweep.yaml; None likewise.
        versions: of packages, by name.
    """

    name: str
    folder: str | None
    header: str | None
    created: str
    revision: str
    versions: dict[str, str]
    commands: list[Command]


@dataclass(frozen=True)
class Piece:
    """A file of videos of one table row, data/videos/<name>.js, loaded on demand."""

    name: str
    backbone: str
    method: str
    num_videos: int


@dataclass(frozen=True)
class Failure:
    """A unit without a usable record; `file` is the address of its failure report, if linked."""

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
class LapStrip:
    """The laps of a video under each other: its unit, method, address, and value of the metric."""

    unit_id: str
    method: str
    address: str
    value: Number


@dataclass(frozen=True)
class Laps:
    """One prompt and seed, with the laps of every method's video.

    Attributes:
        title: of the metric whose values are given.
    """

    title: str
    backbone: str
    prompt_id: str
    prompt: str
    seed: int
    lap_s: float
    num_laps: int
    strips: list[LapStrip]


@dataclass(frozen=True)
class Site:
    """data/site.js: the content of the front page, without lines for single videos.

    Attributes:
        build: differs from one build of the page to the next; empty until it is written.
        live: whether the page reloads itself when a later build changes it.
        length_s: of all finished videos together.
        mark_levels: a difference has a mark for each level its corrected p-value is below.
        min_prompts: fewest prompts for an interval.
        rows: facts about every backbone and method.
        pieces: the files that list the videos, in the order of the sweep.
        quoted: published tables, shown apart.
        spreads: how far published numbers of one model lie apart.
        num_conflicts: all of them; `conflicts` lists the first.
        files: tables and figures for papers.
        ablations: pages of experiments.
        headline: what came out.
    """

    name: str
    build: str
    live: bool
    counts: Counts
    num_prompts: int
    length_s: float
    mark_levels: list[float]
    min_prompts: int
    devices: list[str]
    backbones: list[str]
    methods: list[Method]
    rows: list[RowFacts]
    pieces: list[Piece]
    boards: list[Board]
    quoted: list[QuotedTable]
    spreads: list[Spread]
    sources: list[Source]
    failures: list[Failure]
    conflicts: list[Conflict]
    num_conflicts: int
    warnings: list[str]
    files: list[Link]
    ablations: list[Link]
    showcase: Showcase | None
    laps: Laps | None
    headline: Sentence
