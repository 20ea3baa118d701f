"""The two long steps towards an encoder, reported to a listener: make a corpus, train on it."""

from __future__ import annotations

import time
from pathlib import Path

from harness.core.errors import WorkFailed
from harness.core.events import Event, EventKind, Interrupted, Listener, StopRequested
from harness.run.stages import run_stages
from harness.store.processes import working
from harness.store.run_store import RunStore
from harness.studies.encoders.corpus import pack_corpus
from harness.studies.encoders.corpus_config import CorpusConfig
from harness.studies.encoders.run_config import EncoderRun
from harness.studies.encoders.train import train
from methods.encoders.training import Validation
from reports.studies.training_curves import draw_curves

_SHOWN = ("val_total", "val_recon", "val_delta", "val_smooth", "near_cosine", "duplicates")


def make_corpus(
    corpus_config: CorpusConfig, listener: Listener, stop_requested: StopRequested
) -> None:
    """Roll out the missing videos on this machine and pack their latents.

    Args:
        corpus_config: the corpus.
        listener: receiver of progress.
        stop_requested: polled between blocks; True stops the work.

    Raises:
        Interrupted: a stop was requested; finished videos are kept.
        WorkFailed: some videos could not be made.
    """
    config, units, index = corpus_config.config, corpus_config.units, corpus_config.index
    store = RunStore(config.settings.store)
    for text in store.add_command(units, list(corpus_config.command), config.resolved):
        listener.say(text)
    with working(store):
        outcome = run_stages(units, config.settings, store, listener, stop_requested)
    if outcome.stopped:
        raise Interrupted
    if outcome.failed:
        item, error = next(iter(outcome.failed.items()))
        raise WorkFailed(
            f"{len(outcome.failed)} of {len(units)} videos of the corpus are missing; {item}: "
            f"{error}. Run the same command again to make the missing videos."
        )
    amounts = {sample.name: sample.num_latents for sample in index.samples}
    with listener.stage("pack", amounts, {}) as emit:

        def on_sample(name: str) -> None:
            emit(Event(EventKind.progress, name, amount=amounts[name]))

        corpus = pack_corpus(index, store, corpus_config.folder, on_sample)
    listener.say(
        f"{len(corpus)} samples, {sum(amounts.values())} latent frames of {index.latent_shape}: "
        f"{corpus_config.folder}"
    )


def train_encoder(
    run: EncoderRun, label: str, listener: Listener, stop_requested: StopRequested
) -> Path:
    """Train an encoder as one stage, report its validations and draw its curves.

    Args:
        run: the training run.
        label: its name in reports.
        listener: receiver of progress.
        stop_requested: polled after every step; True stops the training.

    Returns:
        The best checkpoint.

    Raises:
        Interrupted: a stop was requested; the same run resumes from there.
        LongtakeError: as `train`.
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
            best = train(run, on_step, on_validation, listener.say)
        finally:
            draw_curves(run.folder / "curves.csv")
        emit(Event(EventKind.done, label, seconds=time.perf_counter() - started))
    return best
