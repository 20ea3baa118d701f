"""The self-test of the statistics in a small version, and that it notices what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.statistics import Interval, bootstrap_t, differences_p, not_best_p
from eval.statistics.sign_flips import TableP
from harness.__main__ import main
from harness.studies import statistics_selftest
from harness.studies.statistics_selftest import Check, markdown, run_selftest

pytestmark = pytest.mark.slow


def uncorrected(*args: Any) -> TableP:
    found = differences_p(*args)
    return replace(found, table=found.single)


def per_contest(contests: list[Any], *args: Any) -> list[Any]:
    return [not_best_p([contest], *args)[0] for contest in contests]


def half_as_wide(*args: Any, **kwargs: Any) -> list[Interval | None]:
    return [
        Interval(i.low + (i.high - i.low) / 4, i.high - (i.high - i.low) / 4) if i else None
        for i in bootstrap_t(*args, **kwargs)
    ]


def none_at_all(sums: Any, *args: Any, **kwargs: Any) -> list[Interval | None]:
    return [None] * sums.shape[1]


def test_all_figures_are_within_their_bounds() -> None:
    seen: list[tuple[int, int]] = []
    checks = run_selftest(40, 0, lambda done, total: seen.append((done, total)))
    assert [check for check in checks if not check.holds] == []
    assert seen == [(done, len(checks)) for done in range(1, len(checks) + 1)]


@pytest.mark.parametrize(
    ("function", "broken", "claim"),
    [
        ("differences_p", uncorrected, "false `*`"),
        ("not_best_p", per_contest, "lacks its mark"),
        ("bootstrap_t", half_as_wide, "cover the mean"),
        ("bootstrap_t", none_at_all, "cover the mean"),
    ],
)
def test_command_fails_when_the_statistics_are_wrong(
    function: str,
    broken: Any,
    claim: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics_selftest, function, broken)
    out = tmp_path / "table.md"
    assert main(["dev", "selftest-statistics", "tables=20", f"out={out}"]) == 1
    wrong = [line for line in out.read_text().splitlines() if "out of bounds" in line]
    assert wrong and any(claim in line for line in wrong)


def test_bounds_are_widened_by_the_simulations_own_error() -> None:
    check = Check("claim", "setting", 8, 0.06, 1_000, 0.0, 0.05)
    assert check.holds
    assert not replace(check, num_trials=1_000_000).holds
    assert not replace(check, share=0.09).holds
    assert replace(check, share=None).holds
    lines = markdown([check, replace(check, share=0.09), replace(check, share=None)]).splitlines()
    assert ["out of bounds" in line for line in lines[2:]] == [False, True, False]
    assert "hardly any given" in lines[4]
