"""`python -m harness generate`."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace

from rich.console import Console

from harness.cli.progress import ProgressView
from harness.cli.sweep_command import STOPPED
from harness.config.prompts import Prompt, PromptSet
from harness.config.sweep import load_sweep
from harness.core.errors import LongtakeError
from harness.run.sweep import missing_units, run_generation
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
    store, console = RunStore(config.settings.store), Console()
    missing = missing_units(store, [unit])
    resolved = [row | {"prompts": {"given": text, "sha256": sha256}} for row in config.resolved]
    store.add_command(
        [unit], ["python", "-m", "harness", "generate", *arguments.overrides], resolved
    )
    if missing:
        labels = {unit.id: f"{unit.backbone} | {unit.method} | seed {unit.seed}"}
        with (
            stopping_on_signals() as stop_requested,
            ProgressView("generate", {unit.id: unit.num_latents}, labels, console) as view,
        ):
            outcome = run_generation([unit], config.settings, view.show, stop_requested)
        if outcome.stopped:
            console.print("Stopped; progress is saved. The same command goes on.")
            return STOPPED
        if outcome.failed or store.finished(unit) is None:
            console.print(f"See {store.failure_path(unit.id)}", markup=False)
            return 1
    print(store.unit_dir(unit.id) / "video.mp4")
    return 0
