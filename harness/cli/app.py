"""The command line: all commands, in groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.attention_command import attention
from harness.cli.bench_command import bench
from harness.cli.bench_metrics_command import bench_metrics
from harness.cli.bench_search_command import bench_search
from harness.cli.cancel_command import cancel
from harness.cli.doctor_command import doctor
from harness.cli.eval_command import evaluate
from harness.cli.export_command import export
from harness.cli.fetch_weights_command import fetch_weights
from harness.cli.fidelity_command import fidelity
from harness.cli.generate_command import generate
from harness.cli.gpu_selftest_command import gpu_selftest
from harness.cli.grid_command import grid
from harness.cli.latents_command import latents
from harness.cli.list_command import list_
from harness.cli.logs_command import logs
from harness.cli.parsing import CommandGroup, KeyValueCommand
from harness.cli.replay_command import replay
from harness.cli.report_command import report
from harness.cli.resume_command import resume
from harness.cli.retrieval_command import retrieval
from harness.cli.selftest_metrics_command import selftest_metrics
from harness.cli.selftest_recall_command import selftest_recall
from harness.cli.selftest_statistics_command import selftest_statistics
from harness.cli.serve_command import serve
from harness.cli.status_command import status
from harness.cli.sweep_command import sweep
from harness.cli.train_encoder_command import train_encoder
from harness.cli.train_world_command import train_world
from harness.cli.verify_command import verify
from harness.cli.vote_command import vote
from harness.cli.worker_command import worker
from harness.core.version import __version__

Command = Callable[..., int]

GROUPS: Mapping[str, Mapping[str, Command]] = {
    "Run": {"sweep": sweep, "generate": generate, "eval": evaluate},
    "Steer": {"status": status, "logs": logs, "resume": resume, "cancel": cancel},
    "Look": {
        "report": report,
        "serve": serve,
        "export": export,
        "grid": grid,
        "fidelity": fidelity,
        "vote": vote,
        "list": list_,
        "verify": verify,
        "attention": attention,
    },
    "Prepare": {
        "doctor": doctor,
        "fetch-weights": fetch_weights,
        "latents": latents,
        "train-encoder": train_encoder,
        "train-world": train_world,
        "retrieval": retrieval,
    },
}
DEV: Mapping[str, Command] = {
    "replay": replay,
    "bench": bench,
    "bench-metrics": bench_metrics,
    "bench-search": bench_search,
    "gpu-selftest": gpu_selftest,
    "selftest-metrics": selftest_metrics,
    "selftest-recall": selftest_recall,
    "selftest-statistics": selftest_statistics,
    "worker": worker,
}

# Settings that a command takes as overrides are those of a YAML file, which its --help shows.
_CONF = Path(__file__).parents[1] / "config" / "conf"
_SETTINGS = {
    sweep: "sweep.yaml",
    generate: "sweep.yaml",
    attention: "sweep.yaml",
    latents: "sweep.yaml",
    bench: "sweep.yaml",
    train_encoder: "training/train_encoder.yaml",
    train_world: "training/train_world.yaml",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"longtake {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Longtake generates, scores and compares long autoregressive videos.

    Settings are overrides in Hydra syntax, `key=value`; comma lists span a grid. An option that
    takes a value may be written `key=value` as well: `port=8001` is `--port 8001`. `name=main`
    names a sweep; other commands find it by name or folder: `report main`, `report runs/main`.

    ```
    python -m harness sweep backbone=street,street_window method=sliding_window,rag duration=30,60
    ```
    """


def _add(app: typer.Typer, name: str, command: Command, panel: str | None = None) -> None:
    file = _SETTINGS.get(command)
    settings = (_CONF / file).read_text(encoding="utf-8") if file else None
    app.command(
        name,
        cls=KeyValueCommand,
        help=inspect.getdoc(command),
        epilog=f"```yaml\n{settings}```" if settings else None,
        rich_help_panel=panel,
    )(command)


def _build() -> typer.Typer:
    app = typer.Typer(
        cls=CommandGroup,
        callback=_main,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    for panel, commands in GROUPS.items():
        for name, command in commands.items():
            _add(app, name, command, panel)
    dev = typer.Typer(
        cls=CommandGroup,
        rich_markup_mode="markdown",
        no_args_is_help=True,
        help="Check and time Longtake itself.",
    )
    for name, command in DEV.items():
        _add(dev, name, command)
    app.add_typer(dev, name="dev", rich_help_panel="Develop")
    return app


app = _build()
