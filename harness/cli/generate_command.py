"""`python -m harness generate`."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace

from harness.cli.terminal import STOPPED, Terminal
from harness.config.prompts import Prompt, PromptSet
from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.run.stages import generate
from harness.run.sweep import missing_units
from harness.run.worker import stopping_on_signals
from harness.store.run_store import RunStore
from harness.store.units import plan_units


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    prompts = [item for item in arguments.overrides if item.startswith("prompt=")]
    if len(prompts) != 1:
        raise LongtakeError('generate needs one prompt: prompt="dusk grassy blue ...".')
    text = prompts[0].partition("=")[2].strip("\"'")
    config = load_sweep([item for item in arguments.overrides if item not in prompts])
    if len(config.rows) * len(config.settings.seed) != 1:
        raise LongtakeError(
            "generate makes one video: name one backbone, one method and one seed, or use sweep."
        )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    given = PromptSet("given", (Prompt(sha256[:8], text, text),), sha256)
    config = replace(config, rows=(replace(config.rows[0], prompts=given),))
    (unit,) = plan_units(config)
    store, terminal = RunStore(config.settings.store), Terminal()
    missing = missing_units(store, [unit])
    resolved = [row | {"prompts": {"given": text, "sha256": sha256}} for row in config.resolved]
    store.add_command(
        [unit], ["python", "-m", "harness", "generate", *arguments.overrides], resolved
    )
    if missing:
        labels = {unit.id: f"{unit.backbone} | {unit.method} | seed {unit.seed}"}
        with stopping_on_signals() as stop_requested:
            outcome = generate([unit], config.settings, labels, terminal, stop_requested)
        if outcome.stopped:
            terminal.say("Stopped; progress is saved. Run the same command again to continue.")
            return STOPPED
        if outcome.failed or store.finished(unit) is None:
            terminal.say(f"See {store.failure_path(unit.id)}")
            return 1
    print(store.unit_dir(unit.id) / "video.mp4")
    return 0
