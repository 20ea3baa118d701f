"""What is missing of a sweep, as shards of any length: from the units asked for, or from files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from harness.run.sweep import missing_evaluations, missing_units
from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, Shard, Stage
from harness.store.units import Unit, build_backbone
from slurm.submission import JobStage, SubmissionFolder
from slurm.task import still_missing


@dataclass(frozen=True)
class Work:
    """Everything that is still to be done.

    Attributes:
        generate: units to make; shards of any length.
        evaluate: all that is to be scored once it is made.
    """

    generate: tuple[Shard, ...]
    evaluate: Shard

    @property
    def items(self) -> set[str]:
        """Names of all of it."""
        return {item for shard in (*self.generate, self.evaluate) for item in shard.items}

    def without(self, items: Collection[str]) -> Work:
        """The rest, scores of units that are left out included."""
        return Work(
            tuple(
                replace(s, units=tuple(unit for unit in s.units if unit.id not in items))
                for s in self.generate
            ),
            replace(
                self.evaluate,
                evaluations=tuple(t for t in self.evaluate.evaluations if t.item not in items),
            ),
        )


def asked_for(
    units: Sequence[Unit],
    durations_s: Sequence[float],
    suites: Sequence[str],
    generate: Shard,
    evaluate: Shard,
) -> Work:
    """What is missing of the units of a command.

    Args:
        units: all units.
        durations_s: seconds to score.
        suites: what to score with.
        generate: an empty shard with the settings of generating.
        evaluate: the same for scoring.
    """
    store = RunStore(Path(generate.store))
    missing = missing_units(store, units)
    missing_ids = {unit.id for unit in missing}
    made = {unit.id: unit.evaluation_prompt for unit in units if unit.id not in missing_ids}
    tasks = missing_evaluations(store, made, durations_s, suites)
    for _, members in groupby(missing, key=lambda unit: (unit.family, unit.backbone_args)):
        first, *others = members
        frames = _durations_frames(first, durations_s)
        tasks += [
            Evaluation(unit.id, suite, unit.evaluation_prompt, frames)
            for unit in (first, *others)
            for suite in suites
        ]
    return Work(
        (replace(generate, units=tuple(missing)),), replace(evaluate, evaluations=tuple(tasks))
    )


def left_over(store: Path, folders: Sequence[SubmissionFolder]) -> Work:
    """What is missing of everything that was ever submitted, the newest settings of each item.

    Units that left the sweep since, as after an edit of a plug-in, are left out.
    """
    wanted = RunStore(store).labels()
    units: dict[str, Unit] = {}
    settings: dict[str, list[str]] = defaultdict(list)
    templates: dict[str, Shard] = {}
    tasks: dict[str, Evaluation] = {}
    evaluate: Shard | None = None
    for folder in reversed(folders):
        for planned in folder.shards():
            if planned.stage is JobStage.report:
                continue
            shard = Shard.read(folder.shard_path(planned.number))
            template = replace(
                shard,
                units=(),
                evaluations=(),
                store=str(store),
                device=planned.device or shard.device,
            )
            templates[key := repr(template)] = template
            for unit in shard.units:
                if unit.id in wanted and unit.id not in units:
                    units[unit.id] = unit
                    settings[key].append(unit.id)
            if evaluate is None or (shard.evaluations and not tasks):
                evaluate = replace(template, stage=Stage.evaluate)
            for task in shard.evaluations:
                if task.unit_id in wanted:
                    tasks.setdefault(task.item, task)
    assert evaluate is not None, "a submission has shards"
    generate = [
        still_missing(replace(templates[key], units=tuple(units[unit_id] for unit_id in ids)))
        for key, ids in settings.items()
    ]
    unmade = {unit.id for shard in generate for unit in shard.units}
    made = replace(
        evaluate, evaluations=tuple(task for task in tasks.values() if task.unit_id not in unmade)
    )
    waiting = tuple(task for task in tasks.values() if task.unit_id in unmade)
    found = still_missing(made)
    return Work(tuple(generate), replace(found, evaluations=(*found.evaluations, *waiting)))


def _durations_frames(unit: Unit, durations_s: Sequence[float]) -> dict[str, int]:
    """Video frames of every duration that a unit will have."""
    spec = build_backbone(unit.family, unit.backbone_args).spec()
    return {
        f"{duration_s:g}": spec.geometry.num_frames(spec.num_latents(duration_s))
        for duration_s in sorted(durations_s)
    }
