"""Missing work of a sweep: of the units of a command, or of everything submitted before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from harness.run.sweep import missing_evaluations, missing_units
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, SharedParts, Stage
from harness.store.units import Unit, build_backbone
from slurm.submission import JobStage, SubmissionFolder


@dataclass(frozen=True)
class MissingWork:
    """All that a sweep still lacks.

    Attributes:
        generate: units to generate, in shards of any length.
        evaluate: all evaluations, also those of units that are still to be generated.
    """

    generate: tuple[Shard, ...]
    evaluate: Shard

    @property
    def items(self) -> set[str]:
        """Names of all units and evaluations, as events use them."""
        return {item for shard in (*self.generate, self.evaluate) for item in shard.items}

    @property
    def num_items(self) -> int:
        """Number of units and evaluations."""
        num_units = sum(len(shard.units) for shard in self.generate)
        return num_units + len(self.evaluate.evaluations)

    def without(self, items: Collection[str]) -> MissingWork:
        """Return the work without `items`; evaluations of a dropped unit stay unless named."""
        return MissingWork(
            tuple(shard.without(items) for shard in self.generate), self.evaluate.without(items)
        )


def missing_of_units(
    units: Sequence[Unit],
    durations_s: Sequence[float],
    suites: Sequence[str],
    generate: Shard,
    evaluate: Shard,
) -> MissingWork:
    """Return the missing work of the units of a command.

    Args:
        units: all units.
        durations_s: durations to score, in seconds.
        suites: suites to score with.
        generate: an empty shard with the settings of generating.
        evaluate: an empty shard with the settings of scoring.
    """
    store = RunStore(Path(generate.store))
    missing = missing_units(store, units)
    missing_ids = {unit.id for unit in missing}
    prompts = {unit.id: unit.evaluation_prompts for unit in units if unit.id not in missing_ids}
    tasks = missing_evaluations(store, prompts, durations_s, suites)
    # A unit without a video has no scores yet: all of them are missing.
    for _, members in groupby(missing, key=lambda unit: (unit.family, unit.backbone_args)):
        first, *others = members
        frames = _durations_frames(first, durations_s)
        tasks += [
            Evaluation.of(unit.id, suite, unit.evaluation_prompts, frames)
            for unit in (first, *others)
            for suite in suites
        ]
    return MissingWork(
        (replace(generate, units=tuple(missing)),), replace(evaluate, evaluations=tuple(tasks))
    )


def missing_of_submissions(store: Path, folders: Sequence[SubmissionFolder]) -> MissingWork:
    """Return the missing work of everything ever submitted, each item with its newest settings.

    Units that have left the sweep since, for example by an edit of a plug-in, are dropped.
    """
    wanted = RunStore(store).labels()
    units: dict[str, Unit] = {}
    unit_ids: dict[str, list[str]] = defaultdict(list)  # by their settings
    templates: dict[str, Shard] = {}
    tasks: dict[str, Evaluation] = {}
    evaluate: Shard | None = None
    shared = SharedParts()
    # The newest submission first: of an item that several submissions have, the first one counts.
    for folder in reversed(folders):
        for planned in folder.shards():
            if planned.stage is JobStage.report:
                continue
            shard = Shard.read(folder.shard_path(planned.number), shared)
            # The shard file has the device that its task requested, the plan the user's setting.
            device = planned.device or shard.device
            template = replace(shard, units=(), evaluations=(), store=str(store), device=device)
            templates[key := repr(template)] = template
            for unit in shard.units:
                if unit.id in wanted and unit.id not in units:
                    units[unit.id] = unit
                    unit_ids[key].append(unit.id)
            # Settings of scoring come from the newest shard that scores; where there is none,
            # from the newest shard, so that there always are some.
            if evaluate is None or (shard.evaluations and not tasks):
                evaluate = replace(template, stage=Stage.evaluate)
            for task in shard.evaluations:
                if task.unit_id in wanted:
                    tasks.setdefault(task.item, task)
    assert evaluate is not None, "a submission has shards"
    generate = [
        still_missing(replace(templates[key], units=tuple(units[unit_id] for unit_id in ids)))
        for key, ids in unit_ids.items()
    ]
    ungenerated = {unit.id for shard in generate for unit in shard.units}
    ready = tuple(task for task in tasks.values() if task.unit_id not in ungenerated)
    waiting = tuple(task for task in tasks.values() if task.unit_id in ungenerated)
    unscored = still_missing(replace(evaluate, evaluations=ready)).evaluations
    return MissingWork(tuple(generate), replace(evaluate, evaluations=(*unscored, *waiting)))


def still_missing(shard: Shard) -> Shard:
    """Return the part of a shard that is not done and can be started.

    Units without a record can be started; evaluations only of units that have one.
    """
    store = RunStore(Path(shard.store))
    if shard.stage is Stage.generate:
        return replace(shard, units=tuple(missing_units(store, shard.units)))
    missing: list[Evaluation] = []
    ordered = sorted(shard.evaluations, key=_suite_and_durations)
    for (suite, durations), tasks in groupby(ordered, key=_suite_and_durations):
        prompts = {task.unit_id: task.prompts for task in tasks}
        missing += missing_evaluations(store, prompts, [float(d) for d in durations], [suite])
    return replace(shard, evaluations=tuple(missing))


def _suite_and_durations(task: Evaluation) -> tuple[str, tuple[str, ...]]:
    return task.suite, tuple(task.durations_frames)


def _durations_frames(unit: Unit, durations_s: Sequence[float]) -> dict[str, int]:
    """Return the video frames that a unit will have at each duration."""
    spec = build_backbone(unit.family, unit.backbone_args).spec()
    return {
        f"{duration_s:g}": spec.geometry.num_frames(spec.num_latents(duration_s))
        for duration_s in sorted(durations_s)
    }
