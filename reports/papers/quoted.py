"""Published numbers of others, shown separately and marked as quoted.

A quoted table has no ranks and no best marks and is not part of `reports.tables.comparison`: its
numbers come from other prompts, seeds and machines and must not be compared with measured ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reports.papers.quoted_columns import QuotedColumn

CLIPS = {
    "vbench_long": "clips of 2 s, as VBench-Long",
    "whole_video": "the whole video as one clip",
    "other": "not by VBench",
    "not_stated": "clips not stated",
}
"""How a video was cut before it was measured. Numbers of different cuts are different scales."""
HANDS = {"first": "read in the publication", "second": "read in notes of others"}


@dataclass(frozen=True)
class Protocol:
    """The measurement behind published numbers.

    Attributes:
        prompts: the prompts, in words.
        clips: one of `CLIPS`.
        seeds: videos per prompt, in words.
        note: anything else that a reader must know.
    """

    prompts: str
    clips: str
    seeds: str = "not stated"
    note: str | None = None


@dataclass(frozen=True)
class QuotedRow:
    """One published row.

    Attributes:
        backbone, method: as the publication names them.
        duration_s: length of the videos; None if it isn't stated.
        values: by column, without those that the publication leaves out.
        copied_from: id of the table that the publication took the row from; such a row is not a
            measurement of its own.
        swapped: the two columns that were exchanged when the row was copied.
        note: a remark.
    """

    backbone: str
    method: str
    duration_s: float | None
    values: Mapping[str, float]
    copied_from: str | None = None
    swapped: tuple[str, ...] = ()
    note: str | None = None

    @property
    def key(self) -> tuple[str, str, float | None]:
        """The measured model and length: backbone, method and length."""
        return (self.backbone, self.method, self.duration_s)


@dataclass(frozen=True)
class QuotedTable:
    """One published table.

    Attributes:
        id: name by which rows of other tables refer to it.
        title: its heading on the page.
        source: citation of the publication.
        table: the number of the table there.
        link: address of the publication; None without one.
        hand: one of `HANDS`.
        protocol: how the numbers were measured.
        columns: in the order of the values.
        ranked: which rows an average rank is over: those of one "backbone" or of the "table"; None
            for a table without it.
        rows: the published rows.
        file: where the table was read from.
    """

    id: str
    title: str
    source: str
    table: str
    link: str | None
    hand: str
    protocol: Protocol
    columns: tuple[QuotedColumn, ...]
    ranked: str | None
    rows: tuple[QuotedRow, ...]
    file: str


@dataclass(frozen=True)
class Quoted:
    """The published tables of a report.

    Attributes:
        tables: in the order of the files.
        backbones, methods: names in publications to the labels of the same in a sweep.
    """

    tables: tuple[QuotedTable, ...] = ()
    backbones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
