"""`python -m harness generate`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

import typer

from harness.cli.options import Overrides
from harness.core.errors import ConfigError


def generate(
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="Description of the video.")],
    overrides: Overrides = None,
) -> int:
    """Generate one video and print its path.

    Each setting names one value; nothing is scored.

    ```
    python -m harness generate prompt="dusk grassy blue yellowish striped ball drifting" method=rag
    ```
    """
    from harness.cli.terminal import STOPPED, Terminal
    from harness.config.prompts import Prompt, PromptSet
    from harness.config.sweep import load_sweep
    from harness.run import stages
    from harness.run.sweep import missing_units
    from harness.run.worker import stopping_on_signals
    from harness.store.run_store import RunStore
    from harness.store.units import plan_units

    config = load_sweep(overrides or [])
    if len(config.rows) * len(config.settings.seed) != 1:
        raise ConfigError(
            "generate makes one video: name one backbone, one method and one seed, or use sweep."
        )
    sha256 = hashlib.sha256(prompt.encode()).hexdigest()
    given = PromptSet("given", (Prompt(sha256[:8], prompt, prompt),), sha256)
    config = replace(config, rows=(replace(config.rows[0], prompts=given),))
    (unit,) = plan_units(config)
    store, terminal = RunStore(config.settings.store), Terminal()
    missing = missing_units(store, [unit])
    argv = ["python", "-m", "harness", "generate", f"prompt={prompt}", *(overrides or [])]
    resolved = [row | {"prompts": {"given": prompt, "sha256": sha256}} for row in config.resolved]
    store.add_command([unit], argv, resolved)
    if missing:
        labels = {unit.id: f"{unit.backbone} | {unit.method} | seed {unit.seed}"}
        with stopping_on_signals() as stop_requested:
            outcome = stages.generate([unit], config.settings, labels, terminal, stop_requested)
        if outcome.stopped:
            terminal.say("Stopped; progress is saved. Run the same command again to continue.")
            return STOPPED
        if outcome.failed or store.finished(unit) is None:
            terminal.say(f"See {store.failure_path(unit.id)}")
            return 1
    terminal.say(f"{store.unit_dir(unit.id) / 'video.mp4'}")
    return 0
