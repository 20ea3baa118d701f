"""Columns of frames in few bytes a line: a sweep may have a million units."""

from __future__ import annotations

import json
from array import array
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

_BATCH = 4096


class Coded:
    """A column of values of which few are distinct: each is kept once, and a number by line."""

    def __init__(self) -> None:
        self._codes = array("i")
        self._values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def add(self, value: Any) -> None:
        """Add a line: a text, number or flag, None, or a dictionary of what JSON can express."""
        self._codes.append(self._number(value))

    @classmethod
    def joined(cls, parts: Iterable[tuple[Coded, np.ndarray]]) -> Coded:
        """Return the chosen lines of several columns, one column after the other."""
        found = cls()
        for column, lines in parts:
            codes = np.asarray(column._codes)[lines]
            new = np.zeros(len(column._values), np.int32)
            met, first = np.unique(codes, return_index=True)
            for code in met[np.argsort(first)]:
                new[code] = found._number(column._values[code])
            found._codes.frombytes(new[codes].tobytes())
        return found

    def column(self) -> Any:
        """Return an array of the type that pandas gives to such values; categories for texts."""
        values = pd.Series(self._values) if self._values else pd.Series([], dtype=object)
        codes = np.asarray(self._codes)
        if isinstance(values.dtype, pd.StringDtype):
            known = values.notna().to_numpy()
            places = np.where(known, np.cumsum(known) - 1, -1)
            return categories(values[known], places[codes])
        return values.array.take(codes)

    def texts(self) -> pd.Categorical:
        """Return a column of texts or None as categories, also if no line has a text."""
        found = self.column()
        return found if isinstance(found, pd.Categorical) else categories([], self._no_codes())

    def _no_codes(self) -> np.ndarray:
        return np.full(len(self._codes), -1)

    def _number(self, value: Any) -> int:
        key: Hashable = value
        if not isinstance(value, str):  # True equals 1; dictionaries cannot be keys
            key = (type(value), json.dumps(value) if isinstance(value, dict) else value)
        number = self._numbers.setdefault(key, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number


class LongTexts:
    """A column of texts that nearly all differ, in as many bytes as they have letters."""

    def __init__(self) -> None:
        self._batch: list[str | None] = []
        self._done: list[pd.Series] = []

    def add(self, text: str | None) -> None:
        """Add a line."""
        self._batch.append(text)
        if len(self._batch) == _BATCH:
            self._flush()

    def column(self) -> pd.api.extensions.ExtensionArray:
        """Return the texts; NaN for None."""
        self._flush()
        return pd.concat(self._done, ignore_index=True).array

    def _flush(self) -> None:
        self._done.append(pd.Series(self._batch, dtype="str"))
        self._batch = []


def categories(texts: Sequence[str] | pd.Series, codes: np.ndarray) -> pd.Categorical:
    """Return a column of texts by their index; NaN for -1.

    Args:
        texts: the distinct texts, in the order that sorting will have.
        codes: by line the place of its text.
    """
    return pd.Categorical.from_codes(codes, pd.Index(pd.Series(texts, dtype="str").array))


def joined_texts(columns: Sequence[pd.Categorical]) -> pd.Categorical:
    """Join columns of categories, those of the first column first."""
    if len(columns) == 1:
        return columns[0]
    return pd.api.types.union_categoricals(list(columns))


def plain_texts(frame: pd.DataFrame, objects: Sequence[str] = ()) -> pd.DataFrame:
    """Return a frame with texts instead of categories.

    Args:
        frame: any.
        objects: columns with None where there is no text, which JSON can express; others have NaN.
    """
    texts = {
        name: column.astype("str")
        for name, column in frame.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    frame = frame.assign(**{str(name): column for name, column in texts.items()})
    for name in objects:
        column = frame[name].astype(object)
        frame[name] = column.where(column.notna(), None)
    return frame


def index_of(column: pd.Series) -> pd.Index:
    """Return the different texts of a column; its categories, which may be more, if it has any."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.categories
    return pd.Index(column.unique(), dtype="str")


def places(column: pd.Series, index: pd.Index) -> np.ndarray:
    """Return the place of each text of a column in an index, -1 for others.

    That is known at once where the texts are categories of this index; otherwise they are looked
    up.
    """
    array = column.array
    if isinstance(array, pd.Categorical) and array.categories.is_(index):
        return np.asarray(array.codes)
    return index.get_indexer(pd.Index(column, dtype="str"))


class LinesByUnit:
    """Finds the lines of units in a frame in which the lines of a unit stand together.

    Args:
        units: the unit of each line, as a number.
    """

    def __init__(self, units: np.ndarray) -> None:
        starts = np.flatnonzero(np.diff(units, prepend=-2))
        order = np.argsort(units[starts], kind="stable")
        self._units = units[starts][order]
        self._starts = starts[order]
        self._lengths = np.diff(starts, append=len(units))[order]
        # A unit has as many runs of lines as it has suites.
        self._before = np.concatenate([[0], np.cumsum(self._lengths)])

    def counts(self, units: np.ndarray) -> list[int]:
        """Return how many lines each unit has."""
        first, last = self._runs(units)
        counts: list[int] = (self._before[last] - self._before[first]).tolist()
        return counts

    def of(self, units: np.ndarray) -> np.ndarray:
        """Return the lines of units, in the order of the frame."""
        first, last = self._runs(units)
        chosen = numbers_of_runs(first, last - first)
        return np.sort(numbers_of_runs(self._starts[chosen], self._lengths[chosen]))

    def _runs(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.searchsorted(self._units, units), np.searchsorted(self._units, units, "right")


def numbers_of_runs(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the numbers in runs that begin somewhere, one run after the other."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
