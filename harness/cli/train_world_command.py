"""`python -m harness train-world`."""

from __future__ import annotations

from harness.cli.options import Overrides


def train_world(overrides: Overrides = None) -> int:
    """Train the backbone of the street, a small world where all that leaves the view returns.

    From rendered videos to weights, on the CPU. The same command continues where it was stopped.
    docs/recall.md describes the world and the training.

    ```
    python -m harness train-world out=worlds/street transformer.steps=6000
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.core.events import Interrupted
    from harness.run.worker import stopping_on_signals
    from harness.studies.worlds.run_config import load_run
    from harness.studies.worlds.train import train_world as train

    terminal = Terminal()
    run = load_run(overrides or [])
    try:
        with stopping_on_signals() as stop_requested:
            train(run, terminal, stop_requested)
    except Interrupted:
        return terminal.say_stopped(run.command)
    terminal.say(f"backbone: {run.weights}")
    return 0
