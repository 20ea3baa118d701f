"""`python -m harness eval`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Device, StallLimit, Threads, durations, one_of
from harness.cli.parsing import typed
from harness.core.errors import ConfigError
from harness.store.folders import existing_store
from harness.store.header import COMMAND

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings
    from harness.store.imported import Row
    from harness.store.run_store import RunStore

_OWN = "Your own videos"


def evaluate(
    ctx: typer.Context,
    sweep: Annotated[
        Path | None,
        typer.Option(metavar="SWEEP", help="Name or folder of a sweep; --sweep can be left out."),
    ] = None,
    suite: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Suites or single metrics; see list suites.")
    ] = "offline",
    duration: Annotated[
        str | None,
        typer.Option(
            metavar="S[,S]",
            help="Seconds from the start, or whole for every video over its own length; by default "
            "the seconds of the sweep, or the lengths of your own videos.",
        ),
    ] = None,
    executor: Annotated[
        str | None,
        one_of(
            "executor",
            ("inline", "processes"),
            "Score in this process, or in several worker processes; workers=N means the latter.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes.")
    ] = None,
    threads: Threads = None,
    stall_limit_s: StallLimit = None,
    device: Device = "auto",
    engine: Annotated[
        str,
        one_of(
            "engine",
            ("longtake", "official"),
            "official compares with the official VBench-Long code, which needs a checkout.",
        ),
    ] = "longtake",
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_OWN,
            help="Videos (.mp4 .m4v .mov .mkv .webm .avi .gif), in sub-folders as well.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            rich_help_panel=_OWN,
            help="A .jsonl file with a line per video, a .json map from videos to prompts, or the "
            "prompt file (.txt, one a line) that the videos were made from.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_OWN,
            help="Run store to import them into; by default the name of the folder.",
        ),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=_OWN,
            help="Parent folder of that run store; by default runs.",
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            rich_help_panel=_OWN,
            help="Label of their row; by default the name of the folder.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL", rich_help_panel=_OWN, help="Label of their row; by default imported."
        ),
    ] = None,
) -> int:
    """Score the finished videos of a sweep, or your own videos.

    A line of a manifest is `{"video": "a.mp4", "prompt": "..."}`, with `evaluation_prompt`, `id`
    and `seed` where needed. A prompt file fits folders written by VBench, Self-Forcing or LongLive;
    prompts are never read from file names. Without a manifest, metrics that need the prompt have no
    value.

    ```
    python -m harness eval main suite=offline,vbench_long duration=30,60
    python -m harness eval videos=DIR manifest=prompts.jsonl suite=vbench_long name=mine
    ```
    """
    from eval.scoring.suite import check_suites
    from harness.cli.terminal import STOPPED, Terminal
    from harness.config.manifest import list_folder, read_manifest
    from harness.config.sweep import ExecutorKind, ExecutorSettings, Settings
    from harness.run.final_scores import write_rows
    from harness.run.own_videos import OwnVideos, import_videos
    from harness.store.imported import Row
    from harness.store.run_store import RunStore

    suites = suite.split(",")
    check_suites(suites)
    durations_s = durations(duration) if duration else None
    kind = ExecutorKind(executor or ("processes" if workers else "inline"))
    settings = Settings(
        suite=suites,
        executor=ExecutorSettings(kind),
        workers=workers,
        threads=threads,
        stall_limit_s=stall_limit_s,
        device=device,
    )
    terminal = Terminal()
    left_out: Mapping[str, str] = {}
    row: Row | None = None
    if videos and not sweep:
        prompt_set = manifest.stem if manifest else "given"
        row = Row(backbone or videos.resolve().name, method or "imported", prompt_set)
        argv = [*COMMAND, "eval", *typed(ctx)]
        store = RunStore((runs or Path("runs")) / (name or videos.resolve().name))
        with terminal.console.status("reading videos"):
            listed = read_manifest(videos, manifest) if manifest else list_folder(videos)
            own = OwnVideos(listed, row, argv)
            imported = import_videos(own, store, durations_s)
        left_out = imported.left_out
        for text in imported.notes:
            terminal.say(text, style="yellow")
    elif sweep and not any((videos, manifest, name, runs, backbone, method)):
        store = RunStore(existing_store(sweep))
    else:
        raise _wrong_source(sweep, videos, manifest)
    settings.name, settings.runs = store.root.name, str(store.root.parent)
    durations_s = durations_s or store.durations_s()
    if engine == "official":
        code = _cross_check(store, durations_s, settings, terminal)
    else:
        code = _score(store, durations_s, settings, terminal)
    for file, reason in left_out.items():
        terminal.say(f"left out: {file}: {reason}", style="red")
    if code != STOPPED and (path := write_rows(store, suites)):
        if row is not None:
            _print_folder(path, row, durations_s, terminal)
        terminal.say(f"rows: {path}")
    if code != STOPPED:
        terminal.say(f"on the leaderboard: python -m harness report {store.root}")
    return 1 if left_out and code == 0 else code


def _wrong_source(sweep: Path | None, videos: Path | None, manifest: Path | None) -> ConfigError:
    """Return the error for a wrong combination of sweep=, videos=, manifest= and the labels."""
    if videos and sweep:
        return ConfigError(
            "videos= cannot be combined with sweep=; name=NAME adds the videos to a run store."
        )
    if sweep:
        return ConfigError(
            "manifest=, name=, runs=, backbone= and method= need videos=FOLDER; they do not apply "
            "to sweep=."
        )
    return ConfigError("Nothing to score: name a sweep, or videos=FOLDER.")


def _score(
    store: RunStore, durations_s: Sequence[float], settings: Settings, terminal: Terminal
) -> int:
    from harness.cli.sweep_story import warn_of_device
    from harness.cli.terminal import STOPPED
    from harness.run.stages import score_store
    from harness.run.worker import stopping_on_signals

    warn_of_device(settings.device, terminal)
    with stopping_on_signals() as stop_requested:
        outcome = score_store(store, durations_s, settings, terminal, stop_requested)
    if outcome is None:
        terminal.say("Nothing to do: all finished units are scored.")
        return 0
    if outcome.stopped:
        terminal.say("Stopped; run the same command again to continue.")
        return STOPPED
    return 1 if outcome.failed else 0


def _print_folder(path: Path, row: Row, durations_s: Sequence[float], terminal: Terminal) -> None:
    """Print VBench-Long's numbers of a folder of own videos."""
    from harness.core.durations import plain_duration

    lengths = [plain_duration(duration_s) for duration_s in durations_s]
    lines = [
        (
            str(line["duration_s"]),
            name,
            *(_or_dash(one[key]) for key in ("official", "per_video")),
            f"{one['num_videos']}, {one['num_clips']}",
        )
        for line in json.loads(path.read_bytes())
        if (line["backbone"], line["method"]) == (row.backbone, row.method)
        and line["duration_s"] in lengths
        for name, one in line["dimensions"].items()
    ]
    header = ("seconds", "dimension", "over all clips (official)", "per video", "videos, clips")
    terminal.print_table(header, lines)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _cross_check(
    store: RunStore, durations_s: Sequence[float], settings: Settings, terminal: Terminal
) -> int:
    from harness.cli.checkout import needs_checkout
    from harness.core.devices import pick_device

    with needs_checkout("eval engine=official"):
        from harness.studies.official.cross_check import cross_check

    checked = cross_check(store, durations_s, str(pick_device(settings.device)), terminal)
    terminal.print_table(
        ("row", "dimension", "official code", "here", "difference"),
        [
            (
                line["row"],
                line["dimension"],
                f"{line['official_code']:.6f}",
                f"{line['here']:.6f}",
                f"{line['here'] - line['official_code']:+.1e}",
            )
            for line in checked.lines
        ],
    )
    terminal.say(f"written to {checked.path}")
    return 1 if checked.failed else 0
