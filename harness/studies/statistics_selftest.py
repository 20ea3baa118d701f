"""The self-test of the statistics: simulated tables with a known truth, and what they claim.

Every figure is a share of simulated tables (or intervals) and has bounds stated beforehand, widened
by four standard errors of the simulation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from eval.statistics import MARK_LEVELS, bootstrap_t, differences_p, not_best_p
from eval.statistics.power import POWER, detectable_effect
from reports.tables.formatting import markdown_table

NUM_TABLES = 1_000
NUM_METHODS, NUM_METRICS = 6, 10
_LEVEL = MARK_LEVELS[0]
_NUM_FLIPS, _NUM_RESAMPLES = 999, 2_000  # fewer than a report takes: tables add up
_CAREFUL = 4.0  # standard errors
_FEWEST_GIVEN = 0.05  # coverage is that of intervals given; of hardly any it says nothing

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
DRAWS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda generator, shape: generator.normal(0, 1, shape), 0.0),
    "heavy tails (t, 3 degrees)": (lambda generator, shape: generator.standard_t(3, shape), 0.0),
    "exponential": (lambda generator, shape: generator.exponential(1, shape), 1.0),
    "lognormal": (lambda generator, shape: generator.lognormal(0, 1, shape), float(np.exp(0.5))),
    "differs in one prompt of ten": (
        lambda generator, shape: (generator.random(shape) < 0.1) * generator.normal(1, 1, shape),
        0.1,
    ),
    "rate of 0.9": (lambda generator, shape: (generator.random(shape) < 0.9) * 1.0, 0.9),
}
"""Distributions of a prompt's value, with their means."""
_COVERED = {
    "normal": (0.93, 0.98),
    "heavy tails (t, 3 degrees)": (0.93, 0.99),
    "exponential": (0.91, 0.98),
    "lognormal": (0.86, 0.98),
    "differs in one prompt of ten": (0.86, 1.0),
    "rate of 0.9": (0.86, 1.0),
}
"""Bounds of the coverage of 95 % intervals, of those that are given."""
_RARELY_DIFFERING = ("differs in one prompt of ten", "rate of 0.9")
"""Distributions of which few prompts need not have an interval; all others must."""


@dataclass(frozen=True)
class Check:
    """One claim and what the simulation says of it.

    Attributes:
        claim: what is measured.
        setting: of the simulated tables.
        prompts: of each table.
        share: measured, of `num_trials`; None when no trial counts.
        num_trials: tables or intervals simulated that count.
        low, high: bounds of the share without the simulation's own error.
        note: anything else that was measured.
    """

    claim: str
    setting: str
    prompts: int
    share: float | None
    num_trials: int
    low: float
    high: float
    note: str = ""

    @property
    def holds(self) -> bool:
        """Check that the share is within its bounds."""
        if self.share is None:
            return True
        low = self.low - _CAREFUL * (self.low * (1 - self.low) / self.num_trials) ** 0.5
        high = self.high + _CAREFUL * (self.high * (1 - self.high) / self.num_trials) ** 0.5
        return low <= self.share <= high


def run_selftest(
    num_tables: int = NUM_TABLES,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Check]:
    """Run all checks, each over `num_tables` simulated tables (intervals: eight times as many).

    Args:
        num_tables: see above.
        seed: the same seed gives the same figures.
        progress: called with the checks done and all of them.
    """
    marks = [(name, n) for name in ("normal", "lognormal") for n in (8, 16, 32, 128)]
    sizes = ((2, 1), (6, 1), (10, 1), (NUM_METHODS, NUM_METRICS))
    checks = [partial(_false_marks, name, n) for name, n in marks]
    checks += [partial(_best_left_out, *size, n) for size in sizes for n in (8, 32)]
    checks += [partial(_worse_kept, n) for n in (16, 64)]
    checks += [partial(_coverage, name, n) for name in DRAWS for n in (6, 8, 16, 32, 128)]
    checks += [partial(_power, n, count) for count in (1, 50) for n in (8, 16, 32, 128)]
    done = []
    for check in checks:
        done.append(check(num_tables, seed))
        progress(len(done), len(checks))
    return done


def markdown(checks: list[Check]) -> str:
    """Return the checks as a Markdown table."""
    lines = []
    for check in checks:
        bounds = f"{100 * check.low:g} to {100 * check.high:g} %"
        share = "hardly any given" if check.share is None else f"{100 * check.share:.1f} %"
        holds = "" if check.holds else " **out of bounds**"
        lines.append(
            (check.claim, check.setting, str(check.prompts), share + holds, bounds, check.note)
        )
    header = ("share of", "setting", "prompts", "measured", "bounds", "also")
    return markdown_table(header, lines, num_left=2)


def _tables(
    name: str, shape: tuple[int, int, int], num_tables: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield tables [metric, prompt, method] of equal methods whose metrics are correlated."""
    draw, _ = DRAWS[name]
    generator = np.random.default_rng([seed, *shape])
    num_metrics, num_prompts, num_methods = shape
    for _ in range(num_tables):
        shared = draw(generator, (1, num_prompts, num_methods))
        hardness = generator.normal(0, 5, (num_metrics, num_prompts, 1))
        yield shared + draw(generator, shape) + hardness


def _false_marks(name: str, num_prompts: int, num_tables: int, seed: int) -> Check:
    shape = (NUM_METRICS, num_prompts, NUM_METHODS)
    table = single = 0
    for number, values in enumerate(_tables(name, shape, num_tables, seed)):
        differences = (values[:, :, 1:] - values[:, :, :1]).transpose(1, 0, 2)
        p = differences_p(differences.reshape(num_prompts, -1), _NUM_FLIPS, seed + number)
        table += bool(p.table.min() < _LEVEL)
        single += bool(p.single.min() < _LEVEL)
    return Check(
        "tables with a false `*`",
        f"{NUM_METHODS} equal methods, {NUM_METRICS} metrics, {name}",
        num_prompts,
        table / num_tables,
        num_tables,
        0.0,
        _LEVEL,
        f"uncorrected: {100 * single / num_tables:.0f} %",
    )


def _best_left_out(
    num_methods: int, num_metrics: int, num_prompts: int, num_tables: int, seed: int
) -> Check:
    shape = (num_metrics, num_prompts, num_methods)
    left_out = sum(
        any(bool((p < _LEVEL).any()) for p in not_best_p(list(values), _NUM_FLIPS, seed + number))
        for number, values in enumerate(_tables("normal", shape, num_tables, seed))
    )
    return Check(
        "tables in which a best method lacks its mark",
        f"{num_methods} equal methods, {num_metrics} metric{'s' if num_metrics > 1 else ''}",
        num_prompts,
        left_out / num_tables,
        num_tables,
        0.0,
        _LEVEL,
    )


def _worse_kept(num_prompts: int, num_tables: int, seed: int) -> Check:
    """Three methods are best and three worse by one spread of a difference, in all metrics."""
    shape = (NUM_METRICS, num_prompts, NUM_METHODS)
    wrong, kept = 0, 0.0
    for number, values in enumerate(_tables("normal", shape, num_tables, seed)):
        values[:, :, 3:] -= 2.0  # the spread of a difference: two draws per method, two methods
        p_values = np.array(not_best_p(list(values), _NUM_FLIPS, seed + number))
        wrong += bool((p_values[:, :3] < _LEVEL).any())
        kept += float((p_values[:, 3:] >= _LEVEL).mean())
    return Check(
        "tables in which a best method lacks its mark",
        f"3 best and 3 worse methods, {NUM_METRICS} metrics",
        num_prompts,
        wrong / num_tables,
        num_tables,
        0.0,
        _LEVEL,
        f"worse by one spread, but marked: {100 * kept / num_tables:.0f} %",
    )


def _coverage(name: str, num_prompts: int, num_tables: int, seed: int) -> Check:
    draw, mean = DRAWS[name]
    num_trials = 8 * num_tables
    generator = np.random.default_rng([seed, num_prompts])
    values = draw(generator, (num_prompts, num_trials))
    counts = np.ones(num_prompts, dtype=np.int64)
    found = bootstrap_t(values, counts, num_resamples=_NUM_RESAMPLES, seed=seed)
    given = [interval for interval in found if interval]
    covered = sum(interval.low <= mean <= interval.high for interval in given)
    low, high = _COVERED[name]
    enough = len(given) >= _FEWEST_GIVEN * num_trials
    # Where every mean must have an interval, one that is missing does not cover it.
    counted = len(given) if enough else num_trials
    return Check(
        "95 % intervals that cover the mean",
        name,
        num_prompts,
        covered / counted if enough or name not in _RARELY_DIFFERING else None,
        counted,
        low,
        high,
        f"given: {100 * len(given) / num_trials:.0f} %",
    )


def _power(num_prompts: int, num_comparisons: int, num_tables: int, seed: int) -> Check:
    """One difference of the stated size among others that are none, all independent."""
    effect = detectable_effect(num_prompts, num_comparisons)
    assert effect is not None
    generator = np.random.default_rng([seed, num_prompts, num_comparisons])
    marked = 0
    for number in range(num_tables):
        differences = generator.normal(0, 1, (num_prompts, num_comparisons))
        differences[:, 0] += effect
        marked += bool(differences_p(differences, _NUM_FLIPS, seed + number).table[0] < _LEVEL)
    return Check(
        f"stated differences that get a `*` (to be {100 * POWER:g} %)",
        f"{num_comparisons} difference{'s' if num_comparisons > 1 else ''} tested",
        num_prompts,
        marked / num_tables,
        num_tables,
        POWER - 0.1,
        1.0,
        f"stated: {effect:.2f} spreads",
    )
