"""Making a corpus: roll out the videos that are missing, then pack their latents."""

from __future__ import annotations

from harness.core.errors import LongtakeError
from harness.core.events import Event, EventKind, Interrupted, Listener, StopRequested
from harness.run.stages import run_stages
from harness.store.run_store import RunStore
from harness.studies.encoders.corpus import pack_corpus
from harness.studies.encoders.corpus_config import CorpusConfig


def make_corpus(
    corpus_config: CorpusConfig, listener: Listener, stop_requested: StopRequested
) -> None:
    """Roll out what is missing on this machine and pack it.

    Args:
        corpus_config: what to make.
        listener: where progress goes.
        stop_requested: asked now and then.

    Raises:
        Interrupted: a stop was requested; what is finished stays.
        LongtakeError: videos that could not be made.
    """
    config, units, index = corpus_config.config, corpus_config.units, corpus_config.index
    store = RunStore(config.settings.store)
    store.add_command(units, list(corpus_config.command), config.resolved)
    outcome = run_stages(units, config.settings, store, listener, stop_requested)
    if outcome.stopped:
        raise Interrupted
    if outcome.failed:
        item, error = next(iter(outcome.failed.items()))
        raise LongtakeError(
            f"{len(outcome.failed)} of {len(units)} videos of the corpus are missing, {item} "
            f"because {error}. Run the same command again to continue from here."
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
