"""The stages of a sweep on this machine: generate what is missing, then score it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harness.config.sweep import Settings, SweepConfig
from harness.core.durations import duration_name
from harness.core.errors import ConfigError
from harness.core.events import Listener, StopRequested
from harness.run.final_scores import write_rows
from harness.run.sweep import (
    Outcome,
    missing_evaluations,
    missing_units,
    run_evaluation,
    run_generation,
)
from harness.store.claims import clear
from harness.store.index import record_index
from harness.store.processes import running_processes, working
from harness.store.record import Length
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation
from harness.store.units import Unit


def run_command(
    units: Sequence[Unit],
    config: SweepConfig,
    store: RunStore,
    argv: Sequence[str],
    listener: Listener,
    stop_requested: StopRequested,
) -> Outcome:
    """Note a command in its run store, and do what is missing of it on this machine.

    Args:
        units: all units that the command asks for.
        config: its settings.
        store: run store of the settings.
        argv: the command line, for people and for continuing on a cluster.
        listener: receiver of progress.
        stop_requested: polled while working; True stops the work.
    """
    for text in store.add_command(units, argv, config.resolved):
        listener.say(text)
    for other in running_processes(store):
        listener.say(f"also working on this sweep: {other}; the units are shared")
    with working(store):
        outcome = run_stages(units, config.settings, store, listener, stop_requested)
    if not outcome.stopped:
        write_rows(store, config.settings.suite)
    return outcome


def run_stages(
    units: Sequence[Unit],
    settings: Settings,
    store: RunStore,
    listener: Listener,
    stop_requested: StopRequested,
) -> Outcome:
    """Generate and score what is missing.

    Scoring discards the record of a video it finds damaged, and a second round makes that video
    again. Whatever is still missing at the end counts as failed, whether a worker reported it or
    not.
    """
    labels = {
        unit.id: f"{unit.backbone} | {unit.method} | {unit.prompt_set}/{unit.prompt_id} "
        f"seed {unit.seed}"
        for unit in units
    }
    prompts = {unit.id: unit.evaluation_prompts for unit in units}
    failed: dict[str, str] = {}
    # What ended the process that worked on it comes last: it may end this one too.
    ended_by = clear(store.claims_dir)
    # The second round is for damaged videos only. There is no third one, since a disk that damages
    # every file would otherwise keep the sweep running.
    for _ in range(2):
        missing = [unit for unit in missing_units(store, units) if unit.id not in failed]
        if missing:
            made = generate(missing, settings, labels, listener, stop_requested, ended_by)
            failed |= made.failed
        tasks = missing_evaluations(store, prompts, settings.duration, settings.suite)
        if tasks and not stop_requested():
            store.remove_scoring_leftovers()
            outcome = score(tasks, settings, labels, listener, stop_requested, ended_by)
            # Scoring discards the record of a damaged video. That is not a failure yet: the second
            # round makes the video again.
            failed |= {
                item: text
                for item, text in outcome.failed.items()
                if store.record(item.rpartition(":")[2]) is not None
            }
        damaged = [unit for unit in missing_units(store, units) if unit.id not in failed]
        if stop_requested() or not damaged:
            break
    if not stop_requested():
        for unit in missing_units(store, units):
            failed.setdefault(unit.id, "the video was not generated")
        for task in missing_evaluations(store, prompts, settings.duration, settings.suite):
            failed.setdefault(task.item, "it was not scored")
    return Outcome(failed, stop_requested())


def generate(
    units: Sequence[Unit],
    settings: Settings,
    labels: Mapping[str, str],
    listener: Listener,
    stop_requested: StopRequested,
    last: Collection[str],
) -> Outcome:
    """Generate units as one stage, those of the ids `last` last; `labels` name them by ids."""
    amounts = {unit.id: unit.num_latents for unit in units}
    with listener.stage("generate", amounts, labels) as emit:
        return run_generation(units, settings, emit, stop_requested, last)


def score_store(
    store: RunStore,
    durations_s: Sequence[float],
    settings: Settings,
    listener: Listener,
    stop_requested: StopRequested,
) -> Outcome | None:
    """Score the finished units of a store with the suites of `settings`.

    Returns:
        How it ended; None if all of them were scored already.

    Raises:
        ConfigError: a duration that no finished video has.
    """
    lines = store.unit_lines()
    lengths: list[Length] = []
    found = record_index(store).read(dict.fromkeys(line.unit_id for line in lines), Length)
    for _, length in found:
        if isinstance(length, Length):
            lengths.append(length)
        else:
            listener.say(f"{str(length).rstrip('.')}; left out.")
    for duration_s in durations_s:
        if not any(length.frames_of(duration_s) for length in lengths):
            raise ConfigError(
                f"duration={duration_name(duration_s)}: no finished video of {store.root} has that "
                "many seconds in whole latent frames."
            )
    prompts = {line.unit_id: line.evaluation_prompts for line in lines}
    tasks = missing_evaluations(store, prompts, durations_s, settings.suite)
    store.remove_scoring_leftovers()
    ended_by = clear(store.claims_dir)
    if not tasks:
        return None
    with working(store):
        labels = store.labels()
        outcome = score(tasks, settings, labels, listener, stop_requested, ended_by)
    if outcome.stopped:
        return outcome
    failed = dict(outcome.failed)
    for task in missing_evaluations(store, prompts, durations_s, settings.suite):
        failed.setdefault(task.item, "it was not scored")
    return Outcome(failed, False)


def score(
    tasks: Sequence[Evaluation],
    settings: Settings,
    labels: Mapping[str, str],
    listener: Listener,
    stop_requested: StopRequested,
    last: Collection[str],
) -> Outcome:
    """Score finished units as one stage, those of the ids `last` last; `labels` name them."""
    amounts = {task.item: task.num_clips_about for task in tasks}
    item_labels = {task.item: f"{task.suite} | {labels[task.unit_id]}" for task in tasks}
    with listener.stage("score", amounts, item_labels) as emit:
        return run_evaluation(tasks, settings, emit, stop_requested, last)
