"""data/orders.js: the order of methods by each aggregate."""

from __future__ import annotations

from dataclasses import dataclass

from reports.site.schema.base import Number


@dataclass(frozen=True)
class OrderColumn:
    """An aggregate: name, heading, definition and direction."""

    name: str
    title: str
    description: str
    higher_is_better: bool


@dataclass(frozen=True)
class OrderRow:
    """The aggregates of a row, and its place by each of them."""

    label: str
    values: dict[str, Number]
    places: dict[str, int]


@dataclass(frozen=True)
class OrderTable:
    """The rows of one comparison.

    Attributes:
        winners: the best row by each aggregate.
    """

    title: str
    columns: list[OrderColumn]
    rows: list[OrderRow]
    winners: dict[str, str]
