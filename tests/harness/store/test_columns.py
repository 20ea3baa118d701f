"""Columns of few bytes a line hold what a plain frame would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.store.columns import Coded, LinesByUnit, LongTexts, plain_texts


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", None, "b"],
        [True, 1, True],
        [1, None, 2],
        [True, None],
        [None, None],
        [{"k": 1}, None, {"k": 1}],
        ["a", 1],
        [],
    ],
)
def test_a_column_has_the_type_that_pandas_gives_to_its_values(values: list[Any]) -> None:
    coded = Coded()
    for value in values:
        coded.add(value)
    plain = pd.DataFrame([{"x": value} for value in values], columns=["x"])
    found = plain_texts(pd.DataFrame({"x": coded.column()}))
    pd.testing.assert_frame_equal(found, plain)


def test_joined_columns_forget_values_of_lines_that_are_not_taken() -> None:
    first, second = Coded(), Coded()
    for value in (1, None, 3):
        first.add(value)
    for value in (3, 5):
        second.add(value)
    joined = Coded.joined([(first, np.array([2, 0])), (second, np.array([1]))]).column()
    assert pd.Series(joined).dtype == np.int64 and joined.tolist() == [3, 1, 5]


def test_long_texts_are_kept_in_order_over_batches() -> None:
    texts = [None if number % 7 == 0 else f"text {number}" for number in range(9000)]
    column = LongTexts()
    for text in texts:
        column.add(text)
    assert pd.Series(column.column()).astype(object).where(lambda c: c.notna(), None).tolist() == (
        texts
    )


def test_lines_of_units_are_found_in_all_suites() -> None:
    lines = LinesByUnit(np.array([4, 4, 1, 7, 4, 1, 1], np.int8))
    assert lines.of(np.array([1, 4])).tolist() == [0, 1, 2, 4, 5, 6]
    assert lines.of(np.array([7, 5])).tolist() == [3]
    assert lines.counts(np.array([4, 5, 1])) == [3, 0, 3]
    assert LinesByUnit(np.empty(0, int)).of(np.array([1])).tolist() == []
