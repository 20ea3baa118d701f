"""`python -m harness train-encoder`."""

from __future__ import annotations

from harness.cli.options import Overrides


def train_encoder(overrides: Overrides = None) -> int:
    """Train the retrieval autoencoder on a corpus of latents.

    The same command continues where it was stopped. docs/encoder.md describes the losses.

    ```
    python -m harness train-encoder corpus=runs/corpus network=tiny loss=full steps=1500
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.core.events import Interrupted
    from harness.run.worker import stopping_on_signals
    from harness.studies.encoders import stages
    from harness.studies.encoders.run_config import load_run

    terminal = Terminal()
    run = load_run(overrides or [])
    try:
        with stopping_on_signals() as stop_requested:
            best = stages.train_encoder(run, run.folder.name, terminal, stop_requested)
    except Interrupted:
        return terminal.say_stopped(run.command)
    terminal.say(f"encoder: {best}")
    return 0
