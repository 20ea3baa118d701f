"""Rating of a group, from numbers alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eval.metric import Direction, Heading, Kind, MetricInfo
from eval.statistics import NoInterval
from eval.statistics.power import detectable_effect
from reports.tables.columns import grouped, kind_of
from reports.tables.competitor import Competitor
from reports.tables.marks import mark_table
from reports.tables.rating import rate_group
from reports.tables.table import Cell, Group, Row

QUALITY = MetricInfo("quality", "Quality", Direction.higher, "", "")
ERROR = MetricInfo("error", "Error", Direction.lower, "", "")


def competitor(method: str, **values: list[float | None]) -> Competitor:
    """Make a competitor with one value per prompt, in order; None where there is none."""
    num_prompts = max(len(numbers) for numbers in values.values())
    return Competitor(
        Row("backbone", method, ""),
        {
            name: {(f"p{i:02d}", 0): v for i, v in enumerate(numbers) if v is not None}
            for name, numbers in values.items()
        },
        frozenset((f"p{i:02d}", 0) for i in range(num_prompts)),
        {name: ("too dark",) if None in numbers else () for name, numbers in values.items()},
        {},
    )


def rate(*competitors: Competitor, metrics: tuple[MetricInfo, ...] = (QUALITY,)) -> Group:
    return mark_table([rate_group("backbone", "", competitors, metrics)])[0]


def quality(group: Group) -> list[Cell]:
    """Return the cells of the metric "quality", row by row."""
    return [row.cells["quality"] for row in group.rows]


@pytest.mark.parametrize(
    ("num_moving", "num_frozen", "reason"),
    [
        (2, 1, "only 3 of 10 videos (1 of 3 videos is frozen), so not compared"),
        (2, 0, "only 2 of 10 videos, so not compared"),
        (4, 1, "1 of 5 videos is frozen, so not compared"),
        (4, 6, "6 of 10 videos are frozen, so not compared"),
        (0, 0, "no finished and evaluated video"),
    ],
)
def test_row_that_is_not_compared_says_whether_its_videos_lack_or_stand_still(
    num_moving: int, num_frozen: int, reason: str
) -> None:
    pairs = [(f"p{i:02d}", 0) for i in range(10)]
    few = replace(
        competitor("few", quality=[1.0] * num_moving),
        frozen=frozenset(pairs[num_moving : num_moving + num_frozen]),
    )
    rated = rate(competitor("whole", quality=[1.0] * 10), few)
    assert [cell.reason for cell in quality(rated)] == [None, reason]


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
    marks = [(cell.best, cell.near_best) for cell in quality(rated)]
    assert marks == [(True, False), (False, True), (False, False)]
    # The intervals of the means overlap all the same: only pairing tells them apart.
    intervals = [cell.interval for cell in quality(rated)]
    assert intervals[0] is not None and intervals[2] is not None
    assert intervals[2].high > intervals[0].low


def test_few_prompts_mark_nothing() -> None:
    rated = rate(competitor("a", quality=[2, 2, 2]), competitor("b", quality=[1.9, 2, 2]))
    assert not any(cell.best for cell in quality(rated))
    assert not any(cell.near_best for cell in quality(rated))
    assert quality(rated)[0].interval is None
    assert rated.rows[0].rank_interval is None


def test_single_row_has_no_best() -> None:
    rated = rate(competitor("a", quality=[1, 2]))
    assert not quality(rated)[0].best
    assert rated.rows[0].average_rank == 1
    assert rated.baseline == "a"


def test_nothing_to_rate() -> None:
    rated = rate()
    assert (rated.rows, rated.pairs, rated.baseline) == ((), (), None)


def test_methods_without_a_prompt_in_common_are_not_compared() -> None:
    """A shared sweep on its way: each method has been scored on prompts of its own."""
    methods = [
        replace(
            competitor(name, quality=[0.5] * 9),
            evaluated=frozenset((f"p{i:02d}", 0) for i in range(first, first + 3)),
        )
        for name, first in (("a", 0), ("b", 3), ("c", 6))
    ]
    group = rate(*methods)
    assert not group.pairs and not any(row.competes for row in group.rows)


def test_metric_of_few_videos_is_left_to_the_others() -> None:
    few = competitor("few", quality=[5.0, None, None, None])
    rated = rate(
        few, competitor("all", quality=[1, 2, 3, 4]), competitor("too", quality=[2, 2, 2, 2])
    )
    assert quality(rated)[0].mean is None
    assert quality(rated)[0].reason == "only 1 of 4 videos have a value: too dark"
    assert quality(rated)[1].num_videos == 4


def test_metric_missing_in_one_video_is_compared_over_the_rest() -> None:
    rated = rate(competitor("gap", quality=[1, None, 3]), competitor("all", quality=[1, 100, 3]))
    assert [cell.mean for cell in quality(rated)] == [2, 2]
    assert [cell.rank for cell in quality(rated)] == [1.5, 1.5]
    assert rated.rows[0].rank_interval is None


def test_p_is_corrected_over_the_table() -> None:
    generator = np.random.default_rng(0)
    base = competitor("sliding_window", quality=[0.0] * 8, error=[0.0] * 8)
    other = competitor(
        "rag",
        quality=[float(i + 1) for i in range(8)],
        error=generator.normal(0.3, 1, 8).tolist(),
    )
    rated = rate(base, other, metrics=(QUALITY, ERROR))
    first, second = (cell.versus for cell in rated.rows[1].cells.values())
    assert first is not None and second is not None
    assert first.p is not None and second.p is not None
    assert (first.p.single, first.p.table, first.marks) == (2 / 2**8, 2 / 2**8, 2)
    assert second.p.single <= second.p.table
    assert [cell.versus for cell in rated.rows[0].cells.values()] == [None, None]
    assert [row.average_rank for row in rated.rows] == [1.5, 1.5]
    # A second group of the same prompts, and thus of the same table, can only raise p.
    noisy = {name: generator.normal(0, 1, 8).tolist() for name in ("quality", "error")}
    more = rate_group("other", "", [base, competitor("rag", **noisy)], (QUALITY, ERROR))
    both = mark_table([rate_group("backbone", "", [base, other], (QUALITY, ERROR)), more])
    again = both[0].rows[1].cells["error"].versus
    assert again is not None and again.p is not None
    assert again.p.single == second.p.single
    assert again.p.table > second.p.table


def test_difference_comes_with_what_its_prompts_tell() -> None:
    generator = np.random.default_rng(4)
    base = competitor("sliding_window", quality=[0.0] * 20, error=[0.0] * 20)
    rows = []
    for name in ("a", "b"):
        differences = (generator.normal(mean, 1, 20).tolist() for mean in (0.1, 3))
        rows.append(competitor(name, **dict(zip(("quality", "error"), differences, strict=True))))
    rated = rate(base, *rows, metrics=(QUALITY, ERROR))
    small, large = (cell.versus for cell in rated.rows[1].cells.values())
    assert small is not None and large is not None
    assert small.reach is not None and large.reach is not None
    # Four differences are tested; each is detectable in units of its own spread.
    effect = detectable_effect(20, 4)
    assert effect is not None and small.difference.spread is not None
    assert small.reach.smallest == pytest.approx(effect * small.difference.spread)
    assert small.reach.prompts_needed is not None and small.reach.prompts_needed > 20
    assert large.reach.prompts_needed is not None and large.reach.prompts_needed <= 20
    assert (small.marks, large.marks) == (0, 2)


def test_value_that_rarely_differs_has_no_interval_and_marks_nothing() -> None:
    rated = rate(competitor("a", quality=[1.0] * 20), competitor("b", quality=[1.0] * 19 + [0.0]))
    first, second = quality(rated)
    assert (first.best, second.best, second.near_best, second.best_p) == (False, False, False, 1.0)
    assert (second.interval, second.no_interval) == (None, NoInterval.few_differ)


def test_direction_decides_what_may_be_best() -> None:
    numbers = {"error": [float(i % 5) for i in range(12)]}
    worse = {"error": [value + 1 + 0.1 * (i % 3) for i, value in enumerate(numbers["error"])]}
    rated = rate(competitor("a", **numbers), competitor("b", **worse), metrics=(ERROR,))
    first, second = (row.cells["error"] for row in rated.rows)
    assert (first.best, first.best_p) == (True, 1.0)
    assert (second.best, second.near_best, second.best_p) == (False, False, 2 / 2**12)


def test_rank_interval_comes_with_enough_prompts() -> None:
    numbers = [float(i) for i in range(8)]
    rated = rate(
        competitor("a", quality=[n + 1 for n in numbers]), competitor("b", quality=numbers)
    )
    assert [row.rank_interval for row in rated.rows] == [(1, 1), (2, 2)]


def info(name: str, heading: str = Heading.other, kind: Kind = Kind.own) -> MetricInfo:
    return MetricInfo(name, name, Direction.higher, "", "", heading, kind)


def test_a_suite_is_of_the_kind_of_its_metrics() -> None:
    proxy, truth = info("a", kind=Kind.proxy), info("b", kind=Kind.truth)
    assert kind_of([truth, proxy]) is Kind.proxy
    assert kind_of([truth]) is Kind.truth
    assert kind_of([info("brightness")]) is Kind.own
    assert kind_of([]) is Kind.own


def test_columns_stand_under_the_headings_their_metrics_declare() -> None:
    infos = [
        info("brightness"),
        info("safety", "Safety"),
        info("text", Heading.prompt),
        info("subject", Heading.consistency),
        info("background", Heading.consistency),
    ]
    named = {heading: [i.name for i in under] for heading, under in grouped(infos)}
    assert named == {
        "Consistency": ["subject", "background"],
        "Prompt": ["text"],
        "Safety": ["safety"],
        "Other": ["brightness"],
    }
    assert list(named) == ["Consistency", "Prompt", "Safety", "Other"]
