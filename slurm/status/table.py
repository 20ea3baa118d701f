"""The state of a sweep on a cluster as `status` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.core.human import counted
from slurm.attempts.attempt import Attempt
from slurm.clock import MAX_SKEW_S
from slurm.status.eta import eta
from slurm.status.state import SweepState
from slurm.status.verdicts import ShardState, Verdict
from slurm.submission import JobStage

_MOST_ENTRIES = 20
_COLORS = {
    Verdict.done: "green",
    Verdict.running: "cyan",
    Verdict.pending: "yellow",
    Verdict.failed: "red",
    Verdict.lost: "red",
    Verdict.unknown: "magenta",
}


def render(state: SweepState) -> RenderableType:
    """Return totals by stage, then the running, pending and failed tasks."""
    parts: list[RenderableType] = [_totals(state)]
    if running := state.with_verdict(Verdict.running):
        parts.append(_running(running, state.labels))
    if pending := state.with_verdict(Verdict.pending):
        parts.append(_pending(pending))
    wrong = [s for s in state.shards if s.failed or s.verdict in (Verdict.failed, Verdict.lost)]
    if wrong:
        parts.append(_wrong(state, wrong))
    parts += [Text(note, style="yellow") for note in _notes(state)]
    return Group(*parts)


def one_line(state: SweepState) -> str:
    """Return the number of items in each state, stage by stage."""
    stages = []
    for stage in JobStage:
        counts = Counter[Verdict]()
        for shard in state.shards:
            if shard.shard.stage is stage:
                counts += _count(shard)
        if counts:
            words = ", ".join(
                f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]
            )
            stages.append(f"{stage}: {words}")
    return "; ".join(stages) or "nothing was submitted"


def num_wrong(state: SweepState) -> int:
    """Return the number of items that failed or were lost."""
    return sum(len(shard.failed) for shard in state.shards)


def _totals(state: SweepState) -> Table:
    columns = [v for v in Verdict if v is not Verdict.unknown or state.with_verdict(v)]
    table = Table("stage", *(_colored(verdict) for verdict in columns), "shards", "time left")
    for stage in JobStage:
        shards = [s for s in state.shards if s.shard.stage is stage]
        if shards:
            counts = Counter[Verdict]()
            for shard in shards:
                counts += _count(shard)
            cells = [str(counts[verdict]) for verdict in columns]
            done = sum(s.verdict is Verdict.done for s in shards)
            table.add_row(stage, *cells, f"{done} of {len(shards)}", _stage_eta(shards))
    return table


def _count(state: ShardState) -> Counter[Verdict]:
    """Count the items of a shard by their state."""
    counts = Counter({Verdict.done: len(state.shard.items) - len(state.left)})
    open_items = [item for item in state.left if item not in state.failed]
    if state.verdict is Verdict.lost:
        counts[Verdict.lost] = len(state.failed)
    else:
        counts[Verdict.failed] = len(state.failed)
    if state.verdict is Verdict.running:
        # A task works on one item at a time; the others of its shard are still pending.
        num_running = int(bool(open_items))
        counts[Verdict.running] = num_running
        counts[Verdict.pending] = len(open_items) - num_running
    elif open_items:
        counts[state.verdict] += len(open_items)
    return counts


def _stage_eta(shards: Sequence[ShardState]) -> str:
    running = [eta(s) for s in shards if s.verdict is Verdict.running]
    paces = [e.amount_s for e in running if e.amount_s]
    if not paces:
        return ""
    left = sum(e.left for e in running)
    left += sum(eta(s).left for s in shards if s.verdict is Verdict.pending)
    # As if as many tasks kept running as do now.
    return f"about {_duration(left * sum(paces) / len(paces) / len(running))}"


def _running(shards: Sequence[ShardState], labels: dict[str, str]) -> Text:
    lines = []
    for shard in shards:
        attempt = shard.attempts[-1] if shard.attempts else None
        num_done = len(shard.shard.items) - len(shard.left)
        parts = [f"{num_done} of {len(shard.shard.items)} done", *_place(shard, attempt)]
        seconds = eta(shard).seconds
        if seconds is not None:
            parts.append(f"ready in {_duration(seconds)}")
        lines.append((f"{_name(shard)}: {', '.join(parts)}", _at(shard, attempt, labels)))
    return _section(Verdict.running, lines)


def _at(shard: ShardState, attempt: Attempt | None, labels: dict[str, str]) -> str:
    if attempt is None:
        return "starting"
    if not attempt.item:
        return f"loading {shard.shard.label}"
    suite, colon, unit_id = attempt.item.rpartition(":")
    return f"{suite}{colon and ' | '}{labels.get(unit_id, unit_id)}"


def _place(shard: ShardState, attempt: Attempt | None) -> list[str]:
    if attempt is None or attempt.item not in shard.left:
        return []
    total = shard.shard.amounts[shard.shard.items.index(attempt.item)]
    what = "latent" if shard.shard.stage is JobStage.generate else "clip"
    beside = f", {len(attempt.beside)} more in step" if attempt.beside else ""
    return [f"{what} {attempt.amount} of {total}{beside}"]


def _pending(shards: Sequence[ShardState]) -> Text:
    """List pending tasks, those of one job with one reason on one line."""
    groups: dict[tuple[str, str, str], list[ShardState]] = {}
    for shard in shards:
        reason = shard.task.reason if shard.task else shard.error
        if shard.task and shard.task.held:
            reason += "; `resume` releases it"
        key = (str(shard.shard.stage), shard.job.job_id or "", reason)
        groups.setdefault(key, []).append(shard)
    return _section(
        Verdict.pending,
        [
            (
                f"{stage} {job_id}: {counted(len(members), 'task')}, "
                f"{counted(sum(len(m.left) for m in members), 'unit')} ({reason or 'no reason'})",
            )
            for (stage, job_id, reason), members in groups.items()
        ],
    )


def _wrong(state: SweepState, shards: Sequence[ShardState]) -> Text:
    """List failed units one by one, and tasks that ended for one reason on one line.

    Reasons are read for the entries that are shown only: there may be thousands.
    """
    lines: list[tuple[str, ...]] = []
    alike: dict[tuple[JobStage, str, str], list[ShardState]] = {}
    for shard in shards:
        for item in shard.failed:
            if len(lines) < _MOST_ENTRIES and state.results.has_failed(item, shard.folder):
                label = state.labels.get(item.rpartition(":")[2], item)
                reason = state.results.failure(item)
                lines.append((f"{_name(shard)}: {label}", reason, f"log: {shard.log()}"))
        if shard.error:
            key = (shard.shard.stage, shard.job.name, shard.error)
            alike.setdefault(key, []).append(shard)
    for (_, _, error), members in alike.items():
        units = sum(len(shard.failed) for shard in members)
        more = f" and {len(members) - 1} more" if len(members) > 1 else ""
        first = members[0]
        log = f"log: {first.log()}" if first.log() else "no log"
        lines.append((f"{_name(first)}{more}: {counted(units, 'unit')}", error, log))
    return _section(Verdict.failed, lines)


def _notes(state: SweepState) -> Iterator[str]:
    if state.unreachable:
        yield f"SLURM did not answer; this is the state of the files alone. {state.unreachable}"
    ahead = {
        attempt.host: attempt.clock_ahead_s
        for shard in state.with_verdict(Verdict.running, Verdict.failed, Verdict.lost)
        for attempt in shard.attempts[-1:]
        if abs(attempt.clock_ahead_s) > MAX_SKEW_S
    }
    for host, seconds in sorted(ahead.items()):
        yield f"The clock of {host} is {seconds:.0f} s ahead of the file system's."


def _name(shard: ShardState) -> str:
    task = f"{shard.shard.stage} {shard.task_id or 'not submitted'}"
    verdict = "" if shard.verdict is not Verdict.lost else "lost: "
    return f"{verdict}{task}{f' on {shard.node}' if shard.node else ''}"


def _colored(verdict: Verdict) -> str:
    return f"[{_COLORS[verdict]}]{verdict}"


def _section(verdict: Verdict, entries: Sequence[tuple[str, ...]]) -> Text:
    """Return a heading and its entries; the first line of each entry stands out."""
    text = Text(f"{verdict}\n", end="", no_wrap=True, overflow="ignore")
    text.stylize(f"bold {_COLORS[verdict]}")
    for first, *others in entries[:_MOST_ENTRIES]:
        text.append(f"  {first}\n")
        for other in others:
            text.append(f"      {other}\n", style="dim")
    if len(entries) > _MOST_ENTRIES:
        text.append(f"  and {len(entries) - _MOST_ENTRIES} more\n")
    return text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
