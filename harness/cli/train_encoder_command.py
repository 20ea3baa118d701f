"""`python -m harness train-encoder`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console

from harness.cli.progress import ProgressView
from harness.cli.sweep_command import say_stopped
from harness.core.events import Event, EventKind, Interrupted
from harness.run.worker import stopping_on_signals
from harness.studies.encoder_runs import EncoderRun, load_run, train
from methods.encoders.training import Validation

_SHOWN = ("val_total", "val_recon", "val_delta", "val_smooth", "near_cosine", "duplicates")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    console = Console()
    encoder_run = load_run(arguments.overrides)
    best = train_with_progress(encoder_run, encoder_run.folder.name, console)
    if best is None:
        return say_stopped(encoder_run.command, console)
    console.print(f"encoder: {best}", markup=False, highlight=False, soft_wrap=True)
    return 0


def train_with_progress(encoder_run: EncoderRun, label: str, console: Console) -> Path | None:
    """Train under a bar with ETA; curves are drawn at the end.

    Returns:
        The best checkpoint; None if the user asked to stop.
    """
    from reports.site.training_curves import draw_curves

    started = time.perf_counter()
    with (
        stopping_on_signals() as stop_requested,
        ProgressView("train", {label: encoder_run.steps}, {}, console) as view,
    ):

        def on_step(step: int) -> None:
            view.show(Event(EventKind.progress, label, amount=step))
            if stop_requested():
                raise Interrupted

        def on_validation(validation: Validation) -> None:
            numbers = "  ".join(f"{key} {validation.values[key]:.4g}" for key in _SHOWN)
            best = "  best" if validation.improved else ""
            text = f"{label} step {validation.step}: {numbers}{best}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        try:
            best = train(encoder_run, on_step, on_validation)
        except Interrupted:
            return None
        finally:
            draw_curves(encoder_run.folder / "curves.csv")
        seconds = time.perf_counter() - started
        view.show(Event(EventKind.done, label, seconds=seconds))
    return best
