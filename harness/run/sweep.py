"""The missing parts of a sweep, and running them with the chosen executor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harness.core.durations import duration_name
from harness.core.errors import StoreError
from harness.core.events import Emit, Event, EventKind, StopRequested
from harness.run.executors import num_threads, num_workers, run_shards
from harness.run.left_to_score import CurrentSuite
from harness.store.claims import clear
from harness.store.index import in_parts, record_index, scores_index
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage, split_evaluations, split_units
from harness.store.summaries import MadeVideo, ScoresSummary
from harness.store.units import Unit

if TYPE_CHECKING:
    from harness.config.sweep import Settings

P = TypeVar("P")


@dataclass(frozen=True)
class Outcome:
    """Result of a stage.

    Attributes:
        failed: units, or "suite:unit" while scoring, that failed, with the error.
        stopped: the user asked to stop before all was done.
    """

    failed: dict[str, str]
    stopped: bool


def missing_units(store: RunStore, units: Iterable[Unit]) -> list[Unit]:
    """Return the units that are not done yet, each once even if several rows share it."""
    # Asking which units have a folder is cheaper than looking for the record of every unit.
    unique, begun = {unit.id: unit for unit in units}, store.begun_units()
    left = dict(unique)
    units_dir = str(store.units_dir)
    for unit_id, made in record_index(store).read(begun & unique.keys(), MadeVideo):
        if isinstance(made, StoreError):
            continue
        if made.is_whole(unique[unit_id].num_latents, f"{units_dir}/{unit_id}"):
            del left[unit_id]
    return list(left.values())


def missing_evaluations(
    store: RunStore,
    prompts: Mapping[str, tuple[str, ...]],
    durations_s: Sequence[float],
    suites: Sequence[str],
) -> list[Evaluation]:
    """Return the scores that finished units lack or that are out of date.

    Args:
        store: the sweep.
        prompts: evaluation prompts of each unit by its id, one for each of its segments.
        durations_s: seconds to score; those that a video doesn't reach are left out.
        suites: suites or single metrics.
    """
    current = [CurrentSuite(name) for name in suites]
    tasks: dict[str, list[Evaluation]] = defaultdict(list)
    for unit_ids in in_parts(prompts):
        videos = _readable(record_index(store).read(unit_ids, MadeVideo))
        for suite in current:
            index = scores_index(store, suite.suite.name)
            scored = _readable(index.read(videos, ScoresSummary))
            for unit_id, video in videos.items():
                asked = {duration_name(d): video.frames_of(d) for d in durations_s}
                frames = {name: frames for name, frames in asked.items() if frames is not None}
                of_unit = scored.get(unit_id)
                task = suite.left_to_score(unit_id, video, of_unit, prompts[unit_id], frames)
                if task:
                    tasks[unit_id].append(task)
    return [task for unit_id in prompts for task in tasks.get(unit_id, ())]


def _readable(parts: Iterable[tuple[str, P | StoreError]]) -> dict[str, P]:
    return {unit_id: part for unit_id, part in parts if not isinstance(part, StoreError)}


def run_generation(
    units: Sequence[Unit],
    settings: Settings,
    on_event: Emit,
    stop_requested: StopRequested,
    last: Collection[str],
) -> Outcome:
    """Generate units with the executor of `settings`.

    Those of the ids `last` come last, each by itself: one of them may have ended a process.
    """
    workers = num_workers(settings)
    first, alone = (
        [make_shard(settings, Stage.generate, units=tuple(p)) for p in split_units(some, workers)]
        for some in _in_two(units, lambda unit: unit.id in last)
    )
    alone = [replace(shard, batch=1) for shard in alone]
    return _run([*first, *alone], settings, on_event, stop_requested)


def run_evaluation(
    tasks: Sequence[Evaluation],
    settings: Settings,
    on_event: Emit,
    stop_requested: StopRequested,
    last: Collection[str],
) -> Outcome:
    """Score finished units with the executor of `settings`; those of the ids `last` come last."""
    workers = num_workers(settings)
    shards = [
        make_shard(settings, Stage.evaluate, evaluations=part)
        for some in _in_two(tasks, lambda task: task.unit_id in last)
        for part in split_evaluations(some, workers)
        if part
    ]
    return _run(shards, settings, on_event, stop_requested)


def _in_two(items: Sequence[P], comes_last: Callable[[P], bool]) -> tuple[list[P], list[P]]:
    """Separate what comes last, as splitting orders by backbones and suites."""
    return (
        [item for item in items if not comes_last(item)],
        [item for item in items if comes_last(item)],
    )


def make_shard(
    settings: Settings,
    stage: Stage,
    units: tuple[Unit, ...] = (),
    evaluations: tuple[Evaluation, ...] = (),
) -> Shard:
    """Build a shard with all settings that its work depends on."""
    return Shard(
        stage=stage,
        store=str(Path(settings.store).absolute()),
        device=settings.device,
        threads=num_threads(settings),
        save_every_blocks=settings.save_every_blocks,
        runtime=settings.runtime,
        units=units,
        evaluations=evaluations,
        batch=settings.batch if stage is Stage.generate else 1,
    )


def _run(
    shards: Sequence[Shard],
    settings: Settings,
    on_event: Emit,
    stop_requested: StopRequested,
) -> Outcome:
    failed: dict[str, str] = {}

    def emit(event: Event) -> None:
        if event.kind is EventKind.failed:
            failed[event.item] = event.text
        on_event(event)

    try:
        run_shards(shards, settings, emit, stop_requested)
    finally:
        clear(RunStore(Path(settings.store)).claims_dir)
    return Outcome(failed, stop_requested())
