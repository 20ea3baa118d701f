"""Rating a group by numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness.store.scores import MetricInfo
from reports.tables.boards import Kind, group_of, grouped, kind_of
from reports.tables.group import Competitor, GroupValues, rate_group

QUALITY = MetricInfo("quality", "Quality", "higher", "", "")
ERROR = MetricInfo("error", "Error", "lower", "", "")


def competitor(method: str, **values: list[float | None]) -> Competitor:
    """One value per prompt, in order; None where there is none."""
    num_prompts = max(len(numbers) for numbers in values.values())
    return Competitor(
        method,
        {
            name: {(f"p{i:02d}", 0): v for i, v in enumerate(numbers) if v is not None}
            for name, numbers in values.items()
        },
        frozenset((f"p{i:02d}", 0) for i in range(num_prompts)),
        {name: ("too dark",) if None in numbers else () for name, numbers in values.items()},
        {},
    )


def rate(*competitors: Competitor, metrics: tuple[MetricInfo, ...] = (QUALITY,)) -> GroupValues:
    return rate_group(competitors, metrics, None, "sliding_window")


def test_best_near_best_and_worse() -> None:
    generator = np.random.default_rng(0)
    hardness = generator.normal(0, 5, 20)
    best = hardness + 1
    near = best - 0.01 + generator.normal(0, 0.5, 20)
    worse = best - 1 + generator.normal(0, 0.5, 20)
    near += (best - 0.01).mean() - near.mean()
    rated = rate(
        competitor("best", quality=best.tolist()),
        competitor("near", quality=near.tolist()),
        competitor("worse", quality=worse.tolist()),
    )
    marks = [(row.cells[0].best, row.cells[0].near_best) for row in rated.rows]
    assert marks == [(True, False), (False, True), (False, False)]
    # The intervals of the means overlap all the same: only pairing tells them apart.
    intervals = [row.cells[0].interval for row in rated.rows]
    assert intervals[0] is not None and intervals[2] is not None
    assert intervals[2].high > intervals[0].low


def test_few_prompts_mark_the_best_and_nothing_near() -> None:
    rated = rate(competitor("a", quality=[2, 2, 2]), competitor("b", quality=[1.9, 2, 2]))
    assert [row.cells[0].best for row in rated.rows] == [True, False]
    assert not any(row.cells[0].near_best for row in rated.rows)
    assert rated.rows[0].cells[0].interval is None
    assert rated.rows[0].rank_interval is None


def test_single_row_has_no_best() -> None:
    rated = rate(competitor("a", quality=[1, 2]))
    assert not rated.rows[0].cells[0].best
    assert rated.rows[0].average_rank == 1
    assert rated.baseline == "a"


def test_nothing_to_rate() -> None:
    rated = rate_group([], [QUALITY], None, "sliding_window")
    assert (rated.rows, rated.pairs, rated.baseline) == ([], (), None)


def test_metric_of_few_videos_is_left_to_the_others() -> None:
    few = competitor("few", quality=[5.0, None, None, None])
    rated = rate(
        few, competitor("all", quality=[1, 2, 3, 4]), competitor("too", quality=[2, 2, 2, 2])
    )
    assert rated.rows[0].cells[0].mean is None
    assert rated.rows[0].cells[0].reason == "only 1 of 4 videos have a value: too dark"
    assert rated.rows[1].cells[0].num_videos == 4
    assert rated.rows[1].cells[0].best


def test_metric_missing_in_one_video_is_compared_over_the_rest() -> None:
    rated = rate(competitor("gap", quality=[1, None, 3]), competitor("all", quality=[1, 100, 3]))
    assert [row.cells[0].mean for row in rated.rows] == [2, 2]
    assert [row.cells[0].rank for row in rated.rows] == [1.5, 1.5]
    assert rated.rows[0].rank_interval is None


def test_p_is_corrected_over_the_metrics_of_a_row() -> None:
    base = competitor("sliding_window", quality=[0.0] * 8, error=[0.0] * 8)
    other = competitor("rag", quality=[float(i + 1) for i in range(8)], error=[1.0, -2] * 4)
    rated = rate(base, other, metrics=(QUALITY, ERROR))
    quality, error = (cell.versus for cell in rated.rows[1].cells)
    assert quality is not None and error is not None
    assert quality.difference.p == pytest.approx(2 / 2**8)
    assert quality.p_holm == pytest.approx(4 / 2**8)
    assert error.difference.win_rate == 0.5
    assert [cell.versus for cell in rated.rows[0].cells] == [None, None]
    assert [row.average_rank for row in rated.rows] == [2, 1]


def test_rank_interval_comes_with_enough_prompts() -> None:
    numbers = [float(i) for i in range(8)]
    rated = rate(
        competitor("a", quality=[n + 1 for n in numbers]), competitor("b", quality=numbers)
    )
    assert [row.rank_interval for row in rated.rows] == [(1, 1), (2, 2)]


def test_kinds_and_headings() -> None:
    assert (kind_of("offline"), kind_of("vbench_long")) == (Kind.proxy, Kind.vbench_long)
    assert kind_of("Brightness") is Kind.own
    headings = {
        "subject_consistency": "Consistency",
        "overall_consistency": "Prompt",
        "motion_smoothness": "Temporal",
        "dynamic_degree": "Motion",
        "imaging_quality": "Frame quality",
        "sky_error": "Ground truth",
        "brightness": "Other",
    }
    infos = tuple(MetricInfo(name, name, "higher", "", "") for name in headings)
    assert {info.name: group_of(info) for info in infos} == headings
    assert [heading for heading, _ in grouped(infos)] == [
        "Consistency",
        "Temporal",
        "Motion",
        "Frame quality",
        "Prompt",
        "Ground truth",
        "Other",
    ]
