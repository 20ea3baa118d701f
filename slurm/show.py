"""The state of a sweep on a cluster, for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from slurm.attempt import Attempt
from slurm.checks import MAX_SKEW_S
from slurm.state import ShardState, SweepState, Verdict
from slurm.submission import JobStage

_MOST_ROWS = 20
_COLORS = {
    Verdict.done: "green",
    Verdict.running: "cyan",
    Verdict.pending: "yellow",
    Verdict.failed: "red",
    Verdict.lost: "red",
    Verdict.unknown: "magenta",
}


@dataclass(frozen=True)
class Eta:
    """How fast a running shard is: what is left of it, and seconds per latent frame or clip."""

    left: int
    amount_s: float | None

    @property
    def seconds(self) -> float | None:
        """Time until it is done; None before the first block."""
        return None if self.amount_s is None else self.left * self.amount_s


def eta(state: ShardState) -> Eta:
    """The pace of a shard, from its newest attempt."""
    amounts = dict(zip(state.shard.items, state.shard.amounts, strict=True))
    left = sum(amounts[item] for item in state.left if item not in state.failed)
    if not state.attempts:
        return Eta(left, None)
    attempt = state.attempts[-1]
    made = attempt.amount if attempt.item in state.left else 0
    spent_s = attempt.updated - attempt.item_started
    amount_s = spent_s / attempt.amount if attempt.amount and spent_s > 0 else None
    return Eta(left - made, amount_s)


def render(state: SweepState, labels: dict[str, str]) -> RenderableType:
    """Totals, what runs, what waits, what failed.

    Args:
        state: what was read.
        labels: how to call each unit, by its id.
    """
    parts: list[RenderableType] = [_totals(state)]
    if running := state.with_verdict(Verdict.running):
        parts.append(_running(running, labels))
    if pending := state.with_verdict(Verdict.pending):
        parts.append(_pending(pending))
    wrong = [s for s in state.shards if s.failed or s.verdict in (Verdict.failed, Verdict.lost)]
    if wrong:
        parts.append(_wrong(state, wrong, labels))
    parts += [Text(note, style="yellow") for note in _notes(state)]
    return Group(*parts)


def num_wrong(state: SweepState) -> int:
    """Items that failed or were lost."""
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
    """Items of a shard by what became of them."""
    counts = Counter({Verdict.done: len(state.shard.items) - len(state.left)})
    open_items = [item for item in state.left if item not in state.failed]
    if state.verdict is Verdict.lost:
        counts[Verdict.lost] = len(state.failed)
    else:
        counts[Verdict.failed] = len(state.failed)
    if state.verdict is Verdict.running:
        at_work = int(bool(open_items))
        counts[Verdict.running] = at_work
        counts[Verdict.pending] = len(open_items) - at_work
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
    return f"about {_duration(left * sum(paces) / len(paces) / len(running))}"


def _running(shards: Sequence[ShardState], labels: dict[str, str]) -> Table:
    table = Table("running", "node", "done", "at", "place", "shard ready in", title_justify="left")
    for shard in shards[:_MOST_ROWS]:
        attempt = shard.attempts[-1] if shard.attempts else None
        done = f"{len(shard.shard.items) - len(shard.left)} of {len(shard.shard.items)}"
        seconds = eta(shard).seconds
        table.add_row(
            _name(shard),
            shard.node,
            done,
            escape(_at(shard, attempt, labels)),
            _place(shard, attempt),
            "" if seconds is None else _duration(seconds),
        )
    return _with_rest(table, len(shards))


def _at(shard: ShardState, attempt: Attempt | None, labels: dict[str, str]) -> str:
    if attempt is None:
        return "starting"
    if not attempt.item:
        return f"loading {shard.shard.label}"
    suite, colon, unit_id = attempt.item.rpartition(":")
    return f"{suite}{colon and ' | '}{labels.get(unit_id, unit_id)}"


def _place(shard: ShardState, attempt: Attempt | None) -> str:
    if attempt is None or attempt.item not in shard.shard.items:
        return ""
    total = shard.shard.amounts[shard.shard.items.index(attempt.item)]
    what = "latent" if shard.shard.stage is JobStage.generate else "clip"
    return f"{what} {attempt.amount} of {total}"


def _pending(shards: Sequence[ShardState]) -> Table:
    """Waiting tasks, alike ones together."""
    table = Table("pending", "tasks", "units", "reason")
    groups: dict[tuple[str, str, str], list[ShardState]] = {}
    for shard in shards:
        reason = shard.task.reason if shard.task else ""
        key = (str(shard.shard.stage), shard.job.job_id or "", reason)
        groups.setdefault(key, []).append(shard)
    for (stage, job_id, reason), members in list(groups.items())[:_MOST_ROWS]:
        units = sum(len(member.left) for member in members)
        table.add_row(f"{stage} {job_id}", str(len(members)), str(units), escape(reason))
    return _with_rest(table, len(groups))


def _wrong(state: SweepState, shards: Sequence[ShardState], labels: dict[str, str]) -> Table:
    table = Table("failed or lost", "node", "what", "why", title_justify="left")
    num_rows = 0
    for shard in shards:
        explained = set()
        for failure in state.failures(shard):
            explained.add(failure.item)
            num_rows += 1
            if num_rows <= _MOST_ROWS:
                label = labels.get(failure.item.rpartition(":")[2], failure.item)
                why = f"{escape(failure.error)}\n[dim]{escape(str(shard.log() or ''))}"
                table.add_row(_name(shard), shard.node, escape(label), why)
            elif num_rows > 2 * _MOST_ROWS:
                break
        if rest := [item for item in shard.failed if item not in explained]:
            num_rows += 1
            if num_rows <= _MOST_ROWS:
                why = f"{escape(shard.error)}\n[dim]{escape(str(shard.log() or ''))}"
                table.add_row(_name(shard), shard.node, f"{len(rest)} units", why)
    return _with_rest(table, num_rows)


def _notes(state: SweepState) -> Iterator[str]:
    if state.unreachable:
        yield f"SLURM can't be asked, so this is what the files say: {state.unreachable}"
    ahead = {
        attempt.host: attempt.clock_ahead_s
        for shard in state.with_verdict(Verdict.running, Verdict.failed)
        for attempt in shard.attempts[-1:]
        if abs(attempt.clock_ahead_s) > MAX_SKEW_S
    }
    for host, seconds in sorted(ahead.items()):
        yield f"The clock of {host} is {seconds:.0f} s ahead of the file system's."


def _name(shard: ShardState) -> str:
    task = shard.task_id or "not submitted"
    return f"[{_COLORS[shard.verdict]}]{shard.verdict}[/] {shard.shard.stage} {task}"


def _colored(verdict: Verdict) -> str:
    return f"[{_COLORS[verdict]}]{verdict}"


def _with_rest(table: Table, count: int) -> Table:
    if count > _MOST_ROWS:
        table.caption = f"and {count - _MOST_ROWS} more"
    return table


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def print_state(state: SweepState, labels: dict[str, str], console: Console) -> None:
    """Print once."""
    console.print(render(state, labels))
