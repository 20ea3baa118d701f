"""`python -m harness eval`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from eval.scoring.suite import DEFAULT_SUITE, check_suites
from eval.video.decode import VideoDamaged
from harness.cli.arguments import numbers, parse_pairs, sweep_folder
from harness.cli.terminal import STOPPED, Terminal
from harness.config.manifest import Manifest, read_manifest
from harness.config.sweep import ExecutorKind, ExecutorSettings, Settings
from harness.core.devices import pick_device
from harness.core.errors import LongtakeError, unknown_name
from harness.run.final_scores import write_rows
from harness.run.stages import score
from harness.run.sweep import missing_evaluations
from harness.run.worker import stopping_on_signals
from harness.store.imported import Row, check_row, import_video, plan_import, whole_durations_s
from harness.store.record import Record
from harness.store.run_store import RunStore

_SHARED = ("suite", "duration", "executor", "workers", "device", "engine")
_IMPORT = ("videos", "manifest", "name", "runs", "backbone", "method")
_ENGINES = ("longtake", "official")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", *_IMPORT, *_SHARED))
    suites = pairs.get("suite", DEFAULT_SUITE).split(",")
    check_suites(suites)
    terminal = Terminal()
    failed: dict[str, str] = {}
    if "videos" in pairs:
        store, failed = _import(pairs, terminal)
    else:
        if given := [key for key in _IMPORT if key in pairs]:
            raise LongtakeError(f"{given[0]}= belongs to videos=FOLDER, which was left out.")
        store = RunStore(sweep_folder(pairs))
    code = _score(store, pairs, suites, terminal)
    for name, reason in failed.items():
        terminal.say(f"left out: {name}: {reason}", style="red")
    if code != STOPPED and (path := write_rows(store, suites)):
        terminal.say(f"rows: {path}")
    if "videos" in pairs and code != STOPPED:
        terminal.say(f"on the leaderboard: python -m harness report sweep={store.root}")
    return 1 if failed and code == 0 else code


def _score(
    store: RunStore, pairs: dict[str, str], suites: Sequence[str], terminal: Terminal
) -> int:
    lines = store.unit_lines()
    if "duration" in pairs:
        durations_s = numbers(pairs["duration"], "duration")
    else:
        durations_s = store.durations_s()
    records = [store.record(line.unit_id) for line in lines]
    for duration_s in durations_s:
        if not any(record and record.frames_of(duration_s) for record in records):
            raise LongtakeError(
                f"duration={duration_s:g}: no finished video of {store.root} has that many seconds "
                "in whole latent frames."
            )
    settings = Settings(
        suite=list(suites), executor=_executor(pairs), device=pairs.get("device", "auto")
    )
    settings.name, settings.runs = store.root.name, str(store.root.parent)
    prompts = {line.unit_id: line.evaluation_prompt for line in lines}
    if pairs.get("engine", _ENGINES[0]) == "official":
        from harness.run.official_engine import cross_check

        return cross_check(store, durations_s, str(pick_device(settings.device)), terminal.console)
    if pairs.get("engine", _ENGINES[0]) not in _ENGINES:
        raise unknown_name("engine", pairs["engine"], _ENGINES)
    tasks = missing_evaluations(store, prompts, durations_s, suites)
    if not tasks:
        terminal.say("Nothing to do: all finished units are scored.")
        return 0
    with stopping_on_signals() as stop_requested:
        outcome = score(tasks, settings, store.labels(), terminal, stop_requested)
    if outcome.stopped:
        terminal.say("Stopped; run the same command again to continue.")
        return STOPPED
    return 1 if outcome.failed or missing_evaluations(store, prompts, durations_s, suites) else 0


def _import(pairs: dict[str, str], terminal: Terminal) -> tuple[RunStore, dict[str, str]]:
    """Put videos into a run store; returns it, and why videos were left out."""
    if "manifest" not in pairs:
        raise LongtakeError(
            "Which prompts do the videos show? manifest=FILE.jsonl, a line per video with "
            '"video" and "prompt", or the prompt file they were made from.'
        )
    if "sweep" in pairs:
        raise LongtakeError("videos= goes into a store of its own or name=NAME, not into sweep=.")
    folder = Path(pairs["videos"])
    manifest = read_manifest(folder, Path(pairs["manifest"]))
    name = pairs.get("name", folder.resolve().name)
    store = RunStore(Path(pairs.get("runs", "runs")) / name)
    row = Row(
        pairs.get("backbone", folder.resolve().name),
        pairs.get("method", "imported"),
        Path(pairs["manifest"]).stem,
    )
    check_row(store, row)
    failed = {str(path.relative_to(folder)): "not in the manifest" for path in manifest.unlisted}
    records = _import_all(store, manifest, row, pairs, failed, terminal)
    if not records:
        raise LongtakeError(f"No video of {folder} could be read: {next(iter(failed.values()))}")
    return store, failed


def _import_all(
    store: RunStore,
    manifest: Manifest,
    row: Row,
    pairs: dict[str, str],
    failed: dict[str, str],
    terminal: Terminal,
) -> list[Record]:
    records, units = [], []
    with terminal.console.status("reading videos"):
        for planned in plan_import(manifest.videos, row):
            units.append(planned)
            try:
                records.append(import_video(store, planned, row))
            except VideoDamaged as error:
                failed[planned.video.path.name] = str(error)
                store.write_failure(planned.line.unit_id, str(error), "")
    durations_s = whole_durations_s(records)
    if "duration" in pairs:
        durations_s = numbers(pairs["duration"], "duration")
    argv = ["python", "-m", "harness", "eval", *(f"{key}={pairs[key]}" for key in pairs)]
    labels = {"backbone": {"label": row.backbone}, "method": {"label": row.method}}
    if records:
        store.add_command(units, argv, [labels | {"duration": durations_s}])
    return records


def _executor(pairs: dict[str, str]) -> ExecutorSettings:
    kind, workers = pairs.get("executor", "inline"), pairs.get("workers")
    if kind not in list(ExecutorKind):
        raise unknown_name("executor", kind, list(ExecutorKind))
    if workers is not None and not (workers.isdecimal() and int(workers) > 0):
        raise LongtakeError(f"workers={workers}: expected a positive whole number.")
    return ExecutorSettings(ExecutorKind(kind), int(workers) if workers else None)
