"""Lines around a sweep on this machine: the work ahead of it, and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.cli.progress import Expected
from harness.core.disk import free_bytes
from harness.core.durations import plain_duration
from harness.core.guard import continues
from harness.core.human import counted, duration_text, size_text

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings
    from harness.run.estimate import Estimate
    from harness.run.sweep import Outcome
    from harness.store.run_store import RunStore
    from reports.site.build import ReportPaths

_MOST_FAILURES = 20
# Shares of the bar while no earlier sweep tells the speed of generating or of reports.
_GUESSED_UNIT_S, _GUESSED_REPORT_S = 60.0, 30.0


def item_label(item: str, labels: Mapping[str, str]) -> str:
    """Return an item as people know it: "suite | row | prompt" of a score, else without the suite.

    Args:
        item: a unit's id, or "suite:unit".
        labels: names of units by id.
    """
    suite, _, unit_id = item.rpartition(":")
    return " | ".join(part for part in (suite, labels.get(unit_id, unit_id)) if part)


def estimate_lines(cost: Estimate, with_report: bool = True) -> list[str]:
    """Return the seconds of each stage and the disk, for people."""
    lines = []
    if cost.generate.seconds is None:
        names = ", ".join(cost.unknown)
        only_commands = len(cost.commands) == len(cost.unknown)
        advice = (
            "measured with its first video"
            if only_commands
            else "sweep --dry-run --measure times a few blocks"
        )
        lines.append(f"generation: unknown, no earlier record of {names}; {advice}")
    elif cost.generate.num_items:
        lines.append(f"generation: about {duration_text(cost.generate.seconds)} ({cost.source})")
    if cost.score.num_items:
        lines.append(f"scoring: about {duration_text(cost.score.seconds or 0.0)}")
    if with_report:
        known = cost.report.seconds
        report = f"about {duration_text(known)}" if known else "unknown until the first one"
        lines.append(f"report: {report}")
    free = "" if cost.free_bytes is None else f"; {size_text(cost.free_bytes)} free"
    lines.append(f"disk: about {size_text(cost.disk_bytes)} of latents and videos{free}")
    return lines


def warn_of_disk(store: Path, needed_bytes: int, terminal: Terminal) -> None:
    """Say that the disk is too small for what is to be made, if it is.

    This is not a refusal: the need is an estimate, a full disk loses nothing, and space may be made
    while the sweep runs.
    """
    free = free_bytes(store)
    if free is not None and needed_bytes > free:
        terminal.say(
            f"The disk is too small: about {size_text(needed_bytes)} of latents and videos are to "
            f"be made, {size_text(free)} are free at {store}. Once it is full the sweep stops with "
            "exit code 3; finished work is kept, and the same command continues.",
            style="yellow",
            needed=True,
        )


def warn_of_device(device: str, terminal: Terminal) -> None:
    """Warn that device=auto computes on the CPU beside a GPU."""
    from harness.core.devices import unseen_gpu

    if device == "auto" and (sentence := unseen_gpu()):
        terminal.say(
            f"{sentence} Everything runs on the CPU; to use the GPU, install torch with CUDA.",
            style="yellow",
            needed=True,
        )


def say_start(
    store: RunStore, cost: Estimate, settings: Settings, with_report: bool, terminal: Terminal
) -> None:
    """Say what is missing, what is there, who works on it, and how long that takes."""
    from harness.core.devices import pick_device
    from harness.run.executors import num_threads, num_workers

    workers = num_workers(settings)
    threads = num_threads(settings)
    made, scored = cost.generate, cost.score
    units = f"{counted(made.num_items, 'unit')} to make, {made.num_there} already there"
    scores = f"{counted(scored.num_items, 'score')} to compute, {scored.num_there} already there"
    terminal.say(f"{store.root}: {units}" + (f"; {scores}" if settings.suite else ""))
    terminal.say(
        f"{counted(workers, 'worker')} with {counted(threads, 'thread')} "
        f"on {pick_device(settings.device)}"
    )
    warn_of_device(settings.device, terminal)
    if made.num_items or scored.num_items:
        for line in estimate_lines(cost, with_report):
            terminal.say(line)
    warn_of_disk(store.root, cost.disk_bytes, terminal)


def expected_stages(cost: Estimate, with_report: bool) -> dict[str, Expected]:
    """Return the share of each stage in the bar of the sweep."""
    made, scored = cost.generate, cost.score
    guess = _GUESSED_UNIT_S * made.num_items
    stages = {
        "generate": Expected(made.seconds if made.seconds is not None else guess, made.num_there),
        "score": Expected(scored.seconds or 0.0, scored.num_there),
    }
    if with_report:
        stages["report"] = Expected(cost.report.seconds or _GUESSED_REPORT_S)
    return stages


def say_end(
    store: RunStore,
    cost: Estimate,
    outcome: Outcome,
    seconds: Mapping[str, float],
    paths: ReportPaths | None,
    terminal: Terminal,
) -> None:
    """Print the results, what failed and why, the seconds of each stage, and what to do next."""
    if paths:
        from harness.cli.results_table import print_results

        print_results(paths.comparisons, terminal)
        terminal.say(paths.headline)
    labels = store.labels() if outcome.failed else {}
    for item, error in list(outcome.failed.items())[:_MOST_FAILURES]:
        label, path = item_label(item, labels), store.failure_path(item)
        terminal.say(f"failed: {label}: {error} (see {path})", style="red")
    if (more := len(outcome.failed) - _MOST_FAILURES) > 0:
        terminal.say(f"and {more} more failures", style="red")
    made = cost.generate
    num_failed = len({item.rpartition(":")[2] for item in outcome.failed})
    stages = ", ".join(f"{stage} {duration_text(took_s)}" for stage, took_s in seconds.items())
    total = duration_text(sum(seconds.values()))
    if continues():
        total += " in the last process"
    terminal.say(
        f"{counted(made.num_items + made.num_there, 'unit')}, {num_failed} failed, {total}"
        + (f": {stages}." if stages else "."),
    )
    name = shlex.quote(str(store.root))
    if paths is None:
        terminal.say(f"next: python -m harness report {name}")
        return
    for ablation in paths.ablations:
        terminal.say(f"ablation: {ablation}")
    terminal.say(f"tables: {paths.index.parent / 'tables'}")
    terminal.say(f"leaderboard: {paths.index}", needed=True)
    if outcome.failed:
        terminal.say(f"next: python -m harness logs {name}")
    else:
        terminal.say(f"next: python -m harness serve {name}")


def as_dict(
    store: RunStore,
    cost: Estimate,
    outcome: Outcome,
    seconds: Mapping[str, float],
    paths: ReportPaths | None,
) -> dict[str, Any]:
    """Return the end of a sweep as plain values."""
    return {
        "sweep": str(store.root),
        "units": cost.generate.num_items + cost.generate.num_there,
        "already_there": cost.generate.num_there,
        "failed": dict(outcome.failed),
        "stopped": outcome.stopped,
        "seconds": dict(seconds),
        "report": str(paths.index) if paths else None,
        "headline": paths.headline if paths else None,
        "tables": [
            {
                "suite": table.suite,
                "duration_s": plain_duration(table.duration_s),
                "rows": table.frame().to_dict("records"),
            }
            for table in (paths.comparisons if paths else ())
        ],
    }
