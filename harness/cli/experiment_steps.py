"""What an experiment needs before its sweep: a corpus, and encoders trained on it."""

from __future__ import annotations

import shlex

from rich.console import Console

from harness.cli.latents_command import make_corpus
from harness.cli.train_encoder_command import train_with_progress
from harness.encoder_runs import load_run
from harness.experiments import ExperimentPlan
from methods.encoder.corpus import INDEX


def corpus_there(plan: ExperimentPlan) -> bool:
    """Whether the corpus is packed; on a cluster its videos may only have been submitted."""
    return (plan.corpus_folder / INDEX).is_file()


def prepare_encoders(plan: ExperimentPlan, console: Console, dry_run: bool) -> bool:
    """Train the encoders that are not there yet.

    Args:
        plan: the experiment.
        console: where to show progress.
        dry_run: only say what is missing.

    Returns:
        False if the user asked to stop, or the corpus has only been submitted to a cluster.

    Raises:
        LongtakeError: a corpus that can't be made, or a training that fails.
    """
    missing = plan.missing_encoders()
    if not missing:
        return True
    if dry_run:
        console.print(
            f"encoders to train first, their rows not counted below: {', '.join(missing)}",
            markup=False,
            soft_wrap=True,
        )
        return True
    arguments = plan.corpus_arguments()
    command = ["python", "-m", "harness", "latents", *arguments]
    console.print(shlex.join(command), markup=False, highlight=False, soft_wrap=True)
    if make_corpus(arguments, command, console) != 0 or not corpus_there(plan):
        return False
    for task in plan.encoder_tasks():
        if task.label in missing:
            run = load_run(task.arguments)
            console.print(shlex.join(run.command), markup=False, highlight=False, soft_wrap=True)
            if train_with_progress(run, task.label, console) is None:
                return False
    return True
