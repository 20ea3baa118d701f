"""`python -m harness train-encoder`."""

from __future__ import annotations

import argparse

from harness.cli.terminal import Terminal
from harness.core.events import Interrupted
from harness.run.worker import stopping_on_signals
from harness.studies.encoders.run_config import load_run
from harness.studies.encoders.stages import train_encoder


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    terminal = Terminal()
    encoder_run = load_run(arguments.overrides)
    try:
        with stopping_on_signals() as stop_requested:
            best = train_encoder(encoder_run, encoder_run.folder.name, terminal, stop_requested)
    except Interrupted:
        return terminal.say_stopped(encoder_run.command)
    terminal.say(f"encoder: {best}")
    return 0
