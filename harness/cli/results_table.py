"""The results of a sweep as small tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from eval.statistics import MARK_LEVELS, MIN_CLUSTERS
from harness.core.human import counted
from reports.tables.columns import grouped
from reports.tables.formatting import around, number, seconds

if TYPE_CHECKING:
    from eval.metric import MetricInfo
    from harness.cli.terminal import Terminal
    from reports.tables.table import Cell, Comparison

_MOST_METRICS = 5
_MOST_REASONS = 10


def print_results(comparisons: Sequence[Comparison], terminal: Terminal) -> None:
    """Print the table of each suite at its longest duration, with marks and reasons of nulls."""
    longest = {one.suite: one for one in sorted(comparisons, key=lambda one: one.duration_s)}
    for comparison in longest.values():
        _print_table(comparison, terminal)


def main_metrics(comparison: Comparison) -> list[MetricInfo]:
    """Return the metrics with values, those first under a heading first; at most five."""
    filled = _with_values(comparison)
    headings = [
        [info for info in infos if info.name in filled] for _, infos in grouped(comparison.metrics)
    ]
    firsts = [infos[0] for infos in headings if infos]
    others = [info for infos in headings for info in infos[1:]]
    return [*firsts, *others][:_MOST_METRICS]


def _with_values(comparison: Comparison) -> set[str]:
    return {
        name for row in comparison.rows for name, cell in row.cells.items() if cell.mean is not None
    }


def too_few(num_prompts: int) -> str:
    """Say that so few prompts show nothing, and how many may."""
    return (
        f"{counted(num_prompts, 'prompt')} cannot distinguish any difference from noise; at least "
        f"{MIN_CLUSTERS} can: prompts.num={MIN_CLUSTERS}"
    )


def _print_table(comparison: Comparison, terminal: Terminal) -> None:
    metrics = main_metrics(comparison)
    several = len({(group.backbone, group.prompt_set) for group in comparison.groups}) > 1
    lines = []
    for group in comparison.groups:
        for row in group.rows:
            label = f"{row.method}\n{group.backbone}, {group.prompt_set}" if several else row.method
            cells = [
                _cell(row.cells[info.name], comparison.decimals(info.name), row.num_prompts)
                for info in metrics
            ]
            lines.append((label, *cells, f"{row.num_videos}/{row.num_planned}"))
    header = ("method", *(f"{info.title} {info.arrow}".rstrip() for info in metrics))
    title = f"{comparison.suite}, {seconds(comparison.duration_s)}"
    terminal.print_table(
        (*header, "videos"), lines, title=title, title_justify="left", show_lines=True
    )
    for note in _notes(comparison, metrics):
        terminal.say(note)


def _cell(cell: Cell, decimals: int, num_prompts: int) -> str:
    """Return the mean with its marks, and below its interval or standard error.

    A mean over fewer prompts than the row's `num_prompts` says so.
    """
    marks = "*" * (cell.versus.marks if cell.versus else 0)
    mean = number(cell.mean, decimals) + marks
    beside = around(cell.interval, cell.stderr, decimals)
    if cell.mean is None:
        return mean
    fewer = cell.num_prompts < num_prompts
    part = f"{cell.num_prompts} of {counted(num_prompts, 'prompt')}" if fewer else None
    return "\n".join(line for line in (mean, beside, part) if line is not None)


def _notes(comparison: Comparison, metrics: Sequence[MetricInfo]) -> Iterator[str]:
    """Yield what the table means and lacks."""
    cells = [cell for row in comparison.rows for cell in row.cells.values()]
    baselines = dict.fromkeys(group.baseline for group in comparison.groups if group.baseline)
    if any(cell.versus and cell.versus.marks for cell in cells):
        levels = ", ".join(
            f"{'*' * number} at {100 * level:g} %" for number, level in enumerate(MARK_LEVELS, 1)
        )
        yield f"Differs from {' or '.join(baselines)}, by tests over the whole table: {levels}."
    elif any(cell.versus for cell in cells):
        fewest = min(group.num_prompts for group in comparison.groups)
        if fewest < MIN_CLUSTERS:
            yield too_few(fewest)
        else:
            yield f"No difference from {' or '.join(baselines)} is beyond noise."
    if any(cell.interval for cell in cells):
        yield "Below a mean: its 95 % interval over prompts, or ± its standard error."
    elif any(cell.stderr is not None for cell in cells):
        yield "Below a mean: ± its standard error over prompts."
    if more := len(_with_values(comparison)) - len(metrics):
        yield f"{counted(more, 'more metric')} on the page."
    yield from _reasons(comparison)


def _reasons(comparison: Comparison) -> Iterator[str]:
    """Yield why values are missing, of which metrics, and of which rows unless it is all."""
    lacking: dict[tuple[str, str, str], list[str]] = {}
    for info in comparison.metrics:
        for reason in {row.cells[info.name].reason: None for row in comparison.rows}:
            if reason is None:
                continue
            rows = [row for row in comparison.rows if row.cells[info.name].reason == reason]
            some = any(row.cells[info.name].mean is not None for row in rows)
            names = dict.fromkeys(f"{row.method} on {row.backbone}" for row in rows)
            whose = "" if len(rows) == len(comparison.rows) else f" for {', '.join(names)}"
            what = "some videos have no value" if some else "no value"
            lacking.setdefault((what, whose, reason), []).append(info.title)
    for (what, whose, reason), titles in list(lacking.items())[:_MOST_REASONS]:
        yield f"{what}{whose}: {', '.join(titles)}: {reason}"
    if len(lacking) > _MOST_REASONS:
        yield f"and {len(lacking) - _MOST_REASONS} more reasons on the page"
