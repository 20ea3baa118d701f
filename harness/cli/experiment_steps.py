"""What an experiment needs before its sweep: a corpus, and encoders trained on it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console

from harness.cli.latents_command import make_corpus
from harness.cli.sweep_command import say_stopped
from harness.cli.train_encoder_command import train_with_progress
from harness.core.errors import LongtakeError
from harness.studies.encoder_runs import load_run
from harness.studies.experiments import ExperimentPlan


def prepare_encoders(
    plan: ExperimentPlan, argv: Sequence[str], console: Console, dry_run: bool
) -> int | None:
    """Train the encoders that are not there yet, on this machine.

    Args:
        plan: the experiment.
        argv: what the user typed.
        console: where to show progress.
        dry_run: only say what is missing.

    Returns:
        None when the sweep can begin, else the exit code: 130 if the user asked to stop, 0 if the
        videos of the corpus were submitted to a cluster and training has to wait for them.

    Raises:
        LongtakeError: a corpus that can't be made, or a training that fails.
    """
    missing = plan.missing_encoders()
    if not missing:
        return None
    if dry_run:
        console.print(
            f"encoders to train first, their rows not counted below: {', '.join(missing)}",
            markup=False,
            soft_wrap=True,
        )
        return None
    command = ["python", "-m", "harness", "latents", *plan.corpus_arguments()]
    console.print(shlex.join(command), markup=False, highlight=False, soft_wrap=True)
    code = make_corpus(plan.corpus, command, argv, console)
    if code != 0 or not plan.corpus.packed():
        return code
    for task in plan.encoder_tasks():
        if task.label in missing:
            run = load_run(task.arguments)
            console.print(shlex.join(run.command), markup=False, highlight=False, soft_wrap=True)
            if train_with_progress(run, task.label, console) is None:
                return say_stopped(argv, console)
    if left := plan.missing_encoders():
        raise LongtakeError(
            f"After training these encoders are still not there: {', '.join(left)}; look into "
            f"{plan.store / 'encoders'}."
        )
    return None
