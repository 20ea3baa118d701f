from __future__ import annotations

import pytest

from harness.core.human import duration_text, size_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (286.5 * 60, "4 h 46 min"),
        (20845.7 * 60, "14 d 11 h"),
        (86399, "24 h"),
    ],
)
def test_seconds_are_written_in_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0 bytes"), (2048, "2.0 KiB"), (46289 * 2**20, "45.2 GiB"), (500 * 2**20, "500 MiB")],
)
def test_bytes_are_written_in_the_largest_unit(num_bytes: float, text: str) -> None:
    assert size_text(num_bytes) == text
