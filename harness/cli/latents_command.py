"""`python -m harness latents`."""

from __future__ import annotations

from harness.cli.options import Overrides


def latents(overrides: Overrides = None) -> int:
    """Roll out videos and pack their clean latents into a corpus for the retrieval encoder.

    Videos that are already in the run store FOLDER/NAME are reused (by default `name=corpus`).
    Samples are named by their position in the grid, so all executors write the same files.

    Further settings: `num=N` takes the first N prompts, `out=FOLDER` sets the folder of the shards
    (by default FOLDER/NAME/corpus), `shard_videos=N` the number of videos in a shard (by default
    16).

    ```
    python -m harness latents backbone=street,street_window prompts=street num=16
    ```
    """
    from harness.cli.submit import must_submit, submit_corpus
    from harness.cli.terminal import Terminal
    from harness.core.events import Interrupted
    from harness.run.worker import stopping_on_signals
    from harness.studies.encoders.corpus_config import CorpusConfig
    from harness.studies.encoders.stages import make_corpus

    terminal = Terminal()
    corpus = CorpusConfig.load(overrides or [])
    if must_submit(corpus):
        return submit_corpus(corpus, corpus.command, terminal)
    try:
        with stopping_on_signals() as stop_requested:
            make_corpus(corpus, terminal, stop_requested)
    except Interrupted:
        return terminal.say_stopped(corpus.command)
    return 0
