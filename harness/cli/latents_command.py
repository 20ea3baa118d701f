"""`python -m harness latents`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from rich.console import Console

from harness.cli.progress import ProgressView
from harness.cli.sweep_command import run_stages, say_stopped
from harness.config.sweep import ExecutorKind
from harness.core.errors import LongtakeError
from harness.core.events import Event, EventKind
from harness.run.sweep import missing_units
from harness.run.worker import stopping_on_signals
from harness.store.run_store import RunStore
from harness.studies.corpus import pack_corpus
from harness.studies.corpus_config import CorpusConfig


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    command = ["python", "-m", "harness", "latents", *arguments.overrides]
    return make_corpus(CorpusConfig.load(arguments.overrides), command, command, Console())


def make_corpus(
    corpus_config: CorpusConfig, command: Sequence[str], again: Sequence[str], console: Console
) -> int:
    """Roll out what is missing and pack it.

    Args:
        corpus_config: what to make.
        command: that makes it, for the run store.
        again: what the user typed, to be typed again after a stop or a submission.
        console: where to show progress.

    Returns:
        The exit code: 0 when the corpus is there, or its videos were submitted to a cluster (then
        it is not packed yet), 130 if the user asked to stop.

    Raises:
        LongtakeError: videos that could not be made.
    """
    config, units, index = corpus_config.config, corpus_config.units, corpus_config.index
    store = RunStore(config.settings.store)
    if config.settings.executor.kind is ExecutorKind.slurm and missing_units(store, units):
        from harness.cli.cluster import submit_sweep

        asked = argparse.Namespace(dry_run=False, no_report=True)
        code = submit_sweep(units, config, list(command), asked, console)
        text = (
            f"Once python -m harness status sweep={shlex.quote(str(store.root))} says that these "
            f"videos are done, go on with:\n{shlex.join(again)}"
        )
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return code
    store.add_command(units, command, config.resolved)
    with stopping_on_signals() as stop_requested:
        outcome = run_stages(units, config, store, console, stop_requested)
    if outcome.stopped:
        return say_stopped(again, console)
    if outcome.failed:
        item, error = next(iter(outcome.failed.items()))
        raise LongtakeError(
            f"{len(outcome.failed)} of {len(units)} videos of the corpus are not there, "
            f"{item} because {error}. The same command goes on from here."
        )
    amounts = {sample.name: sample.num_latents for sample in index.samples}
    with ProgressView("pack", amounts, {}, console) as view:

        def on_sample(name: str) -> None:
            view.show(Event(EventKind.progress, name, amount=amounts[name]))

        corpus = pack_corpus(index, store, corpus_config.folder, on_sample)
    text = (
        f"{len(corpus)} samples, {sum(amounts.values())} latent frames of {index.latent_shape}: "
        f"{corpus_config.folder}"
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0
