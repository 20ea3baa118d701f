"""`python -m harness latents`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.cli.sweep_command import STOPPED, run_stages
from harness.config import ExecutorKind, load_sweep
from harness.corpus import SHARD_VIDEOS, pack_corpus, plan_corpus
from harness.errors import LongtakeError
from harness.events import Event, EventKind
from harness.progress import ProgressView
from harness.store import RunStore
from harness.sweep import missing_units
from harness.units import plan_units
from harness.worker import stopping_on_signals


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    command = ["python", "-m", "harness", "latents", *arguments.overrides]
    return make_corpus(arguments.overrides, command, Console())


def make_corpus(overrides: Sequence[str], command: Sequence[str], console: Console) -> int:
    """Roll out what is missing and pack it.

    Args:
        overrides: settings as for a sweep, and num=, out=, shard_videos=.
        command: what the user typed, for the run store and the way to go on.
        console: where to show progress.

    Returns:
        The exit code: 0 when the corpus is there, or its videos were submitted to a cluster (then
        the index is still missing), 130 if the user asked to stop.

    Raises:
        LongtakeError: a setting that doesn't fit, or videos that could not be made.
    """
    own, settings = _split(overrides)
    config = load_sweep(settings)
    units = plan_units(config)
    index = plan_corpus(units, _positive(own.get("shard_videos", str(SHARD_VIDEOS))))
    store = RunStore(config.settings.store)
    if config.settings.executor.kind is ExecutorKind.slurm and missing_units(store, units):
        from harness.cli.cluster import submit_sweep

        asked = argparse.Namespace(dry_run=False, no_report=True)
        code = submit_sweep(units, config, list(command), asked, console)
        console.print("The same command packs the corpus once these videos are done.")
        return code
    store.add_command(units, command, config.resolved)
    with stopping_on_signals() as stop_requested:
        outcome = run_stages(units, config, store, console, stop_requested)
    if outcome.stopped:
        text = f"Stopped; progress is saved. To go on:\n{shlex.join(command)}"
        console.print(text, soft_wrap=True, markup=False)
        return STOPPED
    if outcome.failed:
        item, error = next(iter(outcome.failed.items()))
        raise LongtakeError(
            f"{len(outcome.failed)} of {len(units)} videos of the corpus are not there, "
            f"{item} because {error}. The same command goes on from here."
        )
    folder = Path(own["out"]) if "out" in own else store.root / "corpus"
    amounts = {sample.name: sample.num_latents for sample in index.samples}
    with ProgressView("pack", amounts, {}, console) as view:

        def on_sample(name: str) -> None:
            view.show(Event(EventKind.progress, name, amount=amounts[name]))

        corpus = pack_corpus(index, store, folder, on_sample)
    total = sum(amounts.values())
    text = f"{len(corpus)} samples, {total} latent frames of {index.latent_shape}: {folder}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    return 0


def _split(overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Settings of the corpus itself, and those of the rollouts with this command's defaults."""
    pairs = [item.partition("=") for item in overrides]
    own = {key: value for key, _, value in pairs if key in ("num", "out", "shard_videos")}
    settings = [item for item, (key, _, _) in zip(overrides, pairs, strict=True) if key not in own]
    given = {key for key, _, _ in pairs}
    if "num" in own:
        if "prompts.num" in given:
            raise LongtakeError("num= and prompts.num= are the same setting; give one.")
        settings.append(f"prompts.num={_positive(own['num'])}")
    if "suite" in given:
        raise LongtakeError("A corpus is not scored: leave out suite=.")
    defaults = [] if "name" in given else ["name=corpus"]
    return own, [*defaults, "suite=[]", *settings]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise LongtakeError(f"{text!r} is not a whole number from 1.")
    return int(text)
