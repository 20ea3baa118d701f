"""`python -m harness latents`."""

from __future__ import annotations

import argparse

from harness.cli.submit import must_submit, submit_corpus
from harness.cli.terminal import Terminal
from harness.core.events import Interrupted
from harness.run.worker import stopping_on_signals
from harness.studies.encoders.corpus_config import CorpusConfig
from harness.studies.encoders.stages import make_corpus


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    terminal = Terminal()
    corpus = CorpusConfig.load(arguments.overrides)
    if must_submit(corpus):
        return submit_corpus(corpus, corpus.command, terminal)
    try:
        with stopping_on_signals() as stop_requested:
            make_corpus(corpus, terminal, stop_requested)
    except Interrupted:
        return terminal.say_stopped(corpus.command)
    return 0
