"""The work before the sweep of an experiment: a corpus, and encoders trained on it."""

from __future__ import annotations

import shlex

from harness.core.errors import WorkFailed
from harness.core.events import Listener, StopRequested
from harness.studies.encoders.run_config import load_run
from harness.studies.encoders.stages import make_corpus, train_encoder
from harness.studies.experiments.plan import ExperimentPlan


def prepare_encoders(
    plan: ExperimentPlan, listener: Listener, stop_requested: StopRequested
) -> None:
    """Make the corpus and train the encoders that are missing, on this machine.

    Args:
        plan: the experiment.
        listener: receiver of progress.
        stop_requested: polled while working; True stops the work.

    Raises:
        Interrupted: a stop was requested; finished work is kept.
        LongtakeError: the corpus cannot be made, or a training failed.
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
            train_encoder(run, task.label, listener, stop_requested)
    if left := plan.missing_encoders():
        raise WorkFailed(
            f"After training, encoders are still missing: {', '.join(left)}; see "
            f"{plan.store / 'encoders'}."
        )
