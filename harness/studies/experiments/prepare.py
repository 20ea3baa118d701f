"""What an experiment needs before its sweep: a corpus, and encoders trained on it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from harness.core.errors import LongtakeError
from harness.core.events import Event, EventKind, Interrupted, Listener, StopRequested
from harness.studies.encoders.make_corpus import make_corpus
from harness.studies.encoders.runs import EncoderRun, load_run, train
from harness.studies.experiments.plan import ExperimentPlan
from methods.encoders.training import Validation
from reports.studies.training_curves import draw_curves

_SHOWN = ("val_total", "val_recon", "val_delta", "val_smooth", "near_cosine", "duplicates")


def prepare_encoders(
    plan: ExperimentPlan, listener: Listener, stop_requested: StopRequested
) -> None:
    """Make the corpus and train the encoders that are missing, on this machine.

    Raises:
        Interrupted: a stop was requested; what is finished stays.
        LongtakeError: a corpus that can't be made, or a training that fails.
    """
    missing = plan.missing_encoders()
    if not missing:
        return
    listener.say(shlex.join(plan.corpus.command))
    make_corpus(plan.corpus, listener, stop_requested)
    for task in plan.encoder_tasks():
        if task.label in missing:
            run = load_run(task.arguments)
            listener.say(shlex.join(run.command))
            train_and_draw(run, task.label, listener, stop_requested)
    if left := plan.missing_encoders():
        raise LongtakeError(
            f"After training these encoders are still missing: {', '.join(left)}; look into "
            f"{plan.store / 'encoders'}."
        )


def train_and_draw(
    run: EncoderRun, label: str, listener: Listener, stop_requested: StopRequested
) -> Path:
    """Train an encoder as one stage, report its validations and draw its curves.

    Returns:
        The best checkpoint.

    Raises:
        Interrupted: a stop was requested; the same run continues from there.
        LongtakeError: settings that can't be trained, or a folder with another result.
    """
    started = time.perf_counter()
    with listener.stage("train", {label: run.steps}, {}) as emit:

        def on_step(step: int) -> None:
            emit(Event(EventKind.progress, label, amount=step))
            if stop_requested():
                raise Interrupted

        def on_validation(validation: Validation) -> None:
            numbers = "  ".join(f"{key} {validation.values[key]:.4g}" for key in _SHOWN)
            best = "  best" if validation.improved else ""
            listener.say(f"{label} step {validation.step}: {numbers}{best}")

        try:
            best = train(run, on_step, on_validation)
        finally:
            draw_curves(run.folder / "curves.csv")
        emit(Event(EventKind.done, label, seconds=time.perf_counter() - started))
    return best
