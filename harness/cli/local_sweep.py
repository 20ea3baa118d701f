"""`status`, `logs`, `resume` and `cancel` of a sweep on this machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.cli.sweep_story import item_label
from harness.core.errors import ConfigError
from harness.core.human import duration_text
from harness.store.claims import QUIET_S
from harness.store.header import COMMAND
from harness.store.progress import STATES, Progress, read_progress
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.store.header import Command
    from harness.studies.experiments.training_progress import EncoderProgress

_MOST_FAILURES = 10


def show_status(store: RunStore, watched: bool, every_s: float, terminal: Terminal) -> int:
    """Print what is done, missing and failed; if `watched`, until no process works on it."""
    from harness.cli.watch import View, watch
    from harness.studies.experiments.training_progress import read_encoder_progress

    view = View(
        lambda: (read_progress(store), read_encoder_progress(store)),
        lambda state: _table(*state),
        lambda state: _one_line(*state),
        lambda state: bool(state[0].processes),
    )
    state = watch(view, every_s, terminal) if watched else view.read()
    progress, encoders = state
    if not (watched or terminal.as_json):
        terminal.console.print(_table(progress, encoders), soft_wrap=True)
    if terminal.as_json:
        terminal.print_json(
            {
                "rows": [
                    {"backbone": row.backbone, "method": row.method}
                    | {state: row.counts.get(state, 0) for state in STATES}
                    for row in progress.rows
                ],
                "suites": [asdict(suite) for suite in progress.suites],
                "failures": progress.failures,
                "processes": [asdict(process) for process in progress.processes],
                "at_work": [asdict(unit) for unit in progress.at_work],
                "encoders": [asdict(encoder) for encoder in encoders],
            }
        )
    page = store.report_dir / "index.html"
    if page.is_file():
        terminal.say(f"leaderboard: {page}")
    name = shlex.quote(str(store.root))
    if progress.lost_lines:
        terminal.say(f"{store.unit_lines_path.name}: {progress.lost_lines}", style="red")
    if progress.failures:
        terminal.say(f"{len(progress.failures)} failed: python -m harness logs {name}", style="red")
    is_complete = progress.is_complete and all(encoder.is_trained for encoder in encoders)
    if not progress.processes and not (is_complete and not progress.failures):
        for again in _commands_again(store, name):
            terminal.say(f"to continue: {again}")
    return 1 if progress.failures else 0


def _commands_again(store: RunStore, name: str) -> list[str]:
    """Return the command lines that do what is left; `resume` is for those of `sweep` only."""
    header = store.header()
    commands = header.commands if header else ()
    if any(map(_is_sweep, commands)):
        return [f"python -m harness resume {name}"]
    return [shlex.join(command.argv) for command in commands]


def _table(progress: Progress, encoders: Sequence[EncoderProgress]) -> RenderableType:
    units = Table("backbone", "method", *STATES)
    for row in progress.rows:
        counts = [str(row.counts.get(state, 0)) for state in STATES]
        units.add_row(Text(row.backbone), Text(row.method), *counts)
    parts: list[RenderableType] = [units]
    if progress.suites:
        scores = Table("scores", "done", "failed", "missing")
        for suite in progress.suites:
            numbers = map(str, (suite.done, suite.failed, suite.missing))
            scores.add_row(Text(suite.suite), *numbers)
        parts.append(scores)
    parts += [Text(str(encoder)) for encoder in encoders]
    for item, reason in list(progress.failures.items())[:_MOST_FAILURES]:
        parts.append(Text(f"failed: {item_label(item, progress.labels)}: {reason}", style="red"))
    parts += [Text(f"at work: {process}") for process in progress.processes]
    for unit in progress.at_work:
        if unit.quiet_s >= QUIET_S:
            quiet = f"no progress for {duration_text(unit.quiet_s)}"
            text = f"{item_label(unit.unit, progress.labels)}: {quiet} ({unit.process})"
            parts.append(Text(text, style="yellow"))
    return Group(*parts)


def _one_line(progress: Progress, encoders: Sequence[EncoderProgress]) -> str:
    units = ", ".join(f"{progress.count(state)} {state}" for state in STATES)
    suites = (
        f"{suite.suite}: {suite.done} done, {suite.failed} failed, {suite.missing} missing"
        for suite in progress.suites
    )
    return "; ".join([f"units: {units}", *suites, *map(str, encoders)])


def show_logs(store: RunStore, unit: str | None, num_lines: int, terminal: Terminal) -> int:
    """Print the reports of failed items, or of one unit."""
    progress = read_progress(store)
    chosen = [item for item in progress.failures if unit is None or unit in item]
    if unit and not chosen:
        raise ConfigError(f"No failed unit of {store.root} has {unit!r} in its id.")
    if not chosen:
        terminal.say("Nothing failed.")
    for item in chosen[:_MOST_FAILURES]:
        failure = store.failure(item)
        terminal.say(f"==> {item_label(item, progress.labels)}: {store.failure_path(item)}")
        if failure:
            text = failure.traceback or failure.error
            terminal.say("\n".join(text.splitlines()[-num_lines:]))
    if len(chosen) > _MOST_FAILURES:
        terminal.say(f"and {len(chosen) - _MOST_FAILURES} more: unit=ID")
    return 0


def cancel_sweep(store: RunStore, terminal: Terminal) -> int:
    """Ask the processes of a sweep on this machine to stop; their progress is saved."""
    from harness.store.processes import running_processes

    processes = running_processes(store)
    if not processes:
        terminal.say("No process works on this sweep.")
    code = 0
    for process in processes:
        if not process.is_here:
            terminal.say(f"not on this machine: {process}; cancel it there", style="red")
            code = 1
            continue
        try:
            os.kill(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            terminal.say(f"ended in the meantime: {process}")
        except PermissionError:
            terminal.say(f"belongs to another user: {process}", style="red")
            code = 1
        else:
            terminal.say(f"asked to stop: {process}; its progress is saved, resume continues")
    return code


def resume_sweep(store: RunStore, terminal: Terminal) -> int:
    """Run the commands of a sweep again, in the folder they were given in, and return the code."""
    from harness.cli.sweep_command import sweep
    from harness.cli.terminal import STOPPED

    header = store.header()
    commands = [command for command in header.commands if _is_sweep(command)] if header else []
    if not commands:
        raise ConfigError(f"No sweep command made {store.root}; nothing can be resumed.")
    code = 0
    for command in commands:
        arguments = command.argv[len(COMMAND) + 1 :]
        folder = _folder(store.root.absolute(), command.folder, arguments)
        terminal.say(shlex.join(command.argv))
        with contextlib.chdir(folder):
            if str(folder) not in sys.path:  # plug-ins of the folder they were given in
                sys.path.append(str(folder))
            ended = sweep(list(arguments), no_report=command is not commands[-1])
        if ended == STOPPED:
            return STOPPED
        code = max(code, ended)
    return code


def _is_sweep(command: Command) -> bool:
    return command.argv[: len(COMMAND) + 1] == (*COMMAND, "sweep")


def _folder(root: Path, noted: str, arguments: Sequence[str]) -> Path:
    """Return the folder in which a command with these arguments makes this store.

    Args:
        root: folder of the store.
        noted: folder in which the command was given; empty if it was not noted.
        arguments: of the command.

    Raises:
        ConfigError: there is no such folder, or it is unknown.
    """
    from harness.config.overrides import take

    taken, _ = take(arguments, ("runs",))
    runs = Path(taken.get("runs", "runs"))
    if noted and Path(noted).is_dir() and Path(noted, runs, root.name).resolve() == root.resolve():
        return Path(noted)
    # The folder may have been moved as a whole.
    is_below = not runs.is_absolute() and ".." not in runs.parts
    if is_below and len(runs.parts) < len(root.parents):
        folder = root.parents[len(runs.parts)]
        if folder / runs / root.name == root:
            return folder
    where = f"It was given in {noted}. " if noted else ""
    raise ConfigError(
        f"Cannot find the folder in which the command created {root}. {where}Repeat it in a folder "
        f"where that is {runs / root.name}: {shlex.join((*COMMAND, 'sweep', *arguments))}"
    )
