"""The sentence that a report opens with: what came out, on one metric that a rule chooses.

The rule asks what was measured, never how it came out: suites in the order of
`reports.tables.columns.FIRST`, in the first one its first metric of quality that can be compared,
at the longest duration, in the group with the most methods and prompts. Differences to the baseline
and their tests are those of the table; against `CONTROL` this metric and group are tested alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from eval.metric import MetricInfo
from eval.statistics import MIN_CLUSTERS
from harness.store.frames import Sweep
from reports.tables.columns import FIRST
from reports.tables.comparison import compare
from reports.tables.formatting import one_line, seconds
from reports.tables.sentence import (
    Piece,
    Sentence,
    listed,
    mean_words,
    name,
    prompts,
    sentence,
    side,
    size_words,
)
from reports.tables.table import Cell, Comparison, Group, Versus

CONTROL = "random"
"""The control with the budget and layout of retrieval that chooses frames without looking."""
MAX_NAMED = 3
_Words = list[str | Piece]


@dataclass(frozen=True)
class _Chosen:
    """A metric of a group."""

    table: Comparison
    group: Group
    info: MetricInfo

    @property
    def cells(self) -> dict[str, Cell]:
        """The cells with a mean, by method."""
        cells = {row.method: row.cells[self.info.name] for row in self.group.rows}
        return {method: cell for method, cell in cells.items() if cell.mean is not None}

    @property
    def compared(self) -> dict[str, Versus]:
        """The differences to the baseline, by method."""
        return {method: cell.versus for method, cell in self.cells.items() if cell.versus}

    @property
    def baseline(self) -> str:
        """The baseline of the differences."""
        return self.group.baseline or ""

    @property
    def num_prompts(self) -> int:
        """Number of prompts that the means are over."""
        return max(cell.num_prompts for cell in self.cells.values())

    def size(self, method: str) -> str:
        """Return the size of a method's difference to the baseline, in words."""
        decimals = self.table.difference_decimals(self.info.name)
        return size_words(self.compared[method].difference, decimals)


def headline(sweep: Sweep, comparisons: Sequence[Comparison]) -> Sentence:
    """Say what came out, or how many prompts would show it.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables, of `reports.tables.comparison.compare_all`.
    """
    candidates = list(_candidates(comparisons))
    comparable = [one for one in candidates if one.compared]
    if not candidates:
        return sentence(_nothing(sweep))
    chosen = (comparable or candidates)[0]
    opening = [f"On {_metric_words(chosen.info)}", *_setting(chosen, comparisons), ", "]
    if not comparable:
        return sentence(*opening, *_alone(chosen), ".")
    return sentence(*opening, *_against_baseline(chosen), *_against_control(sweep, chosen), ".")


def _candidates(comparisons: Sequence[Comparison]) -> Iterator[_Chosen]:
    """Yield the metrics of quality that have a mean, in the order of the rule."""
    by_suite: dict[str, list[Comparison]] = {}
    for table in sorted(comparisons, key=lambda t: (FIRST.index(t.kind), t.suite, -t.duration_s)):
        by_suite.setdefault(table.suite, []).append(table)
    for tables in by_suite.values():
        infos = {info.name: info for table in tables for info in table.metrics if info.quality}
        for info in infos.values():
            for table in tables:
                if info in table.metrics:
                    found = [_Chosen(table, group, info) for group in table.groups]
                    found = [one for one in found if one.cells]
                    yield from sorted(found, key=lambda c: (-len(c.cells), -c.num_prompts))


def _nothing(sweep: Sweep) -> str:
    reasons = sweep.scores["reason"].dropna()
    if sweep.scores.empty:
        return _nothing_made(sweep) or "No video has been evaluated yet."
    if reasons.empty:
        return "Nothing can be compared: no row has enough videos."
    return f"Nothing can be compared: no metric has a value ({one_line(reasons.iloc[0])})."


def _nothing_made(sweep: Sweep) -> str | None:
    """Say how many units failed and why the first did; None if a video was made, or none failed."""
    units = sweep.units.drop_duplicates("unit_id")
    failed = units[units["status"] == "failed"]
    if failed.empty or (units["status"] == "done").any():
        return None
    reason = one_line(failed["reason"].iloc[0])
    return f"No video was made: {len(failed)} of {len(units)} units failed ({reason})."


def _metric_words(info: MetricInfo) -> str:
    title = one_line(info.title)
    title = title[:1].lower() + title[1:] if title[1:2].islower() else title
    return title if info.higher_is_better else f"{title} (lower is better)"


def _setting(chosen: _Chosen, comparisons: Sequence[Comparison]) -> _Words:
    """Name the group and the duration where the suite has others."""
    tables = [table for table in comparisons if table.suite == chosen.table.suite]
    groups = {(g.backbone, g.prompt_set) for table in tables for g in table.groups}
    words: _Words = []
    if len({backbone for backbone, _ in groups}) > 1:
        words += [" of ", name(chosen.group.backbone)]
    if len({prompt_set for _, prompt_set in groups}) > 1:
        words += [" with the prompts ", name(chosen.group.prompt_set)]
    return [*words, f" at {seconds(chosen.table.duration_s)}"] if len(tables) > 1 else words


def _against_baseline(chosen: _Chosen) -> _Words:
    compared, baseline = chosen.compared, name(chosen.baseline)
    sign = 1 if chosen.info.higher_is_better else -1
    told = {method: one.difference for method, one in compared.items() if one.marks}
    if told:
        # The best of those that are better; if none is, the one that is worst.
        gains = {method: sign * difference.mean for method, difference in told.items()}
        most = max(gains, key=gains.__getitem__)
        if gains[most] < 0:
            most = min(gains, key=gains.__getitem__)
        by = f" by {chosen.size(most)} over {prompts(told[most].num_prompts)}"
        return [name(most), f" is {side(told[most])} ", baseline, by]
    only = next(iter(compared)) if len(compared) == 1 else None
    subject = [name(only), " can't"] if only else ["no method can"]
    over = f" over {prompts(chosen.num_prompts)}"
    return [*subject, " be distinguished from ", baseline, over, *_prompts_needed(compared, chosen)]


def _prompts_needed(compared: dict[str, Versus], chosen: _Chosen) -> _Words:
    """Say how many prompts the clearest difference would need."""
    sizes = {m: abs(one.difference.effect_size or 0.0) for m, one in compared.items()}
    clearest = max(sizes, key=sizes.__getitem__)
    one = compared[clearest]
    words: _Words = []
    if chosen.num_prompts < MIN_CLUSTERS:
        words.append(f", and fewer than {MIN_CLUSTERS} cannot show a difference")
    if one.reach is None or not sizes[clearest]:
        return words
    needed = one.reach.prompts_needed
    if needed is None:
        return [*words, "; differences as small as these need more prompts than is practical"]
    if needed <= chosen.num_prompts:
        return [*words, "; a few more prompts may be enough"]
    size = f" {side(one.difference)} by {chosen.size(clearest)}, needs about {needed}"
    return [*words, "; the clearest difference, ", name(clearest), size]


def _against_control(sweep: Sweep, chosen: _Chosen) -> _Words:
    """Name the methods that do not differ from `CONTROL` beyond doubt, or else the baseline."""
    compared = chosen.compared
    if CONTROL in compared and len(compared) > 1:
        untold, reference = _untold_from_control(sweep, chosen), CONTROL
    elif any(one.marks for one in compared.values()):
        untold = [method for method, one in compared.items() if not one.marks]
        reference = chosen.baseline
    else:
        return []  # said already
    if not untold:
        return []
    return ["; ", *listed(untold, MAX_NAMED), " can't be distinguished from ", name(reference)]


def _untold_from_control(sweep: Sweep, chosen: _Chosen) -> list[str]:
    """Test the methods against `CONTROL` over the pairs of the table.

    The tests are a family of their own, of one metric and group: they are not corrected for the
    rest of the table.
    """
    units, scores, group, table = sweep.units, sweep.scores, chosen.group, chosen.table
    own = (units["backbone"] == group.backbone) & (units["prompt_set"] == group.prompt_set)
    measured = scores["metric"] == chosen.info.name
    small = replace(sweep, units=units[own], scores=scores[measured])
    against = compare(small, table.suite, table.duration_s, baseline=CONTROL).groups[0]
    versus = {row.method: row.cells[chosen.info.name].versus for row in against.rows}
    versus.pop(chosen.baseline, None)
    return [method for method, one in versus.items() if one and not one.marks]


def _alone(chosen: _Chosen) -> _Words:
    """Give a mean where nothing can be compared with the baseline."""
    cells = chosen.cells
    means = {method: cell.mean or 0.0 for method, cell in cells.items()}
    best = (max if chosen.info.higher_is_better else min)(means, key=means.__getitem__)
    decimals = chosen.table.decimals(chosen.info.name)
    value = f"{mean_words(cells[best], decimals)} over {prompts(cells[best].num_prompts)}"
    if len(cells) == 1:
        others = len(chosen.group.rows) > 1
        few = "no other method has enough videos with a value"
        none = "there is no other method to compare it with"
        return [name(best), f" has {value}; {few if others else none}"]
    return [name(best), f" has the best mean, {value}; the baseline has no value to compare with"]
