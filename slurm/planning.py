"""Which arrays a sweep needs: grouped by what must be loaded, cut into shards, with requests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from harness.core.errors import LongtakeError
from harness.store.shards import Evaluation, Shard, group_units
from slurm.packing import Piece, chunks, cut
from slurm.requests import (
    Need,
    Request,
    check_time,
    fitting,
    generation_request,
    need_of,
    report_request,
)
from slurm.scoring import Scoring
from slurm.submission import JobStage

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile
    from harness.store.units import Unit


@dataclass(frozen=True)
class Limits:
    """What the cluster allows.

    Attributes:
        max_array_size: tasks of one array.
        max_jobs: jobs and array tasks that the controller holds, of all users.
        max_time_min: longest time limit by partition; None where there is none.
        default_partition: the partition of jobs that name none.
    """

    max_array_size: int
    max_jobs: int
    max_time_min: Mapping[str, int | None]
    default_partition: str | None

    def of(self, partition: str | None) -> int | None:
        """Longest time limit in a partition; of several ("gpu,long") the shortest."""
        names = (partition or self.default_partition or "").split(",")
        known = [self.max_time_min.get(name) for name in names]
        return min((limit for limit in known if limit is not None), default=None)


@dataclass(frozen=True)
class PlannedArray:
    """One array to be submitted.

    Attributes:
        stage: what it does.
        request: resources of a task.
        pieces: its tasks, with the device as the user set it; the report has one without work.
        after: the array of the plan whose tasks must end well first, task by task.
        after_jobs: jobs that must end first, however they do.
    """

    stage: JobStage
    request: Request
    pieces: tuple[Piece, ...]
    after: int | None = None
    after_jobs: tuple[str, ...] = ()

    def shard_of(self, piece: Piece) -> Shard:
        """What a task gets to do: with the threads and on the device that were asked for.

        A task with a GPU must not quietly do without; one that scores without never looks for it.
        """
        shard = replace(piece.shard, threads=self.request.cpus)
        if self.request.gpus:
            return replace(shard, device="cuda") if shard.device == "auto" else shard
        return replace(shard, device="cpu") if self.stage is JobStage.evaluate else shard


@dataclass(frozen=True)
class Plan:
    """All arrays, in the order they are submitted in; the report comes last."""

    arrays: tuple[PlannedArray, ...]

    @property
    def gpu_hours(self) -> float:
        """Estimated, from the seconds of all pieces."""
        return sum(a.request.gpus * p.seconds for a in self.arrays for p in a.pieces) / 3600

    @property
    def most_gpu_hours(self) -> float:
        """If every task took its whole time limit."""
        return sum(a.request.gpus * a.request.time_min * len(a.pieces) for a in self.arrays) / 60

    def count(self, stage: JobStage) -> int:
        """Tasks of a stage."""
        return sum(len(array.pieces) for array in self.arrays if array.stage is stage)


@dataclass(frozen=True)
class Planner:
    """How shards become arrays.

    Attributes:
        profile: what the site wants.
        limits: what the cluster allows.
        unit_s: estimated seconds of a unit.
    """

    profile: SlurmProfile
    limits: Limits
    unit_s: Callable[[Unit], float]

    def plan(
        self,
        generate: Sequence[Shard],
        evaluate: Shard,
        active_jobs: Sequence[str],
        active_units: Collection[str],
        num_units: int | None,
    ) -> Plan:
        """All arrays for what is missing.

        Args:
            generate: units to make; shards of any length, split here.
            evaluate: everything to score, of units made here, finished or being made elsewhere.
            active_jobs: jobs of earlier submissions that are still at work on the same sweep.
            active_units: units that those are going to make.
            num_units: units of the whole sweep, for the report; None for no report.

        Raises:
            LongtakeError: the cluster can't hold so many tasks, or a time limit is too short.
        """
        by_unit: dict[str, list[Evaluation]] = {}
        for task in sorted(evaluate.evaluations, key=lambda task: task.suite):
            by_unit.setdefault(task.unit_id, []).append(task)
        scoring = Scoring.of(evaluate, self.profile)
        arrays: list[PlannedArray] = []
        for shard in generate:
            for need, group in self._groups(shard):
                arrays += self._generate_and_score(need, group, scoring, by_unit, len(arrays))
        made_here = {unit.id for shard in generate for unit in shard.units}
        for waits in (False, True):
            rest = [
                task
                for unit_id, tasks in by_unit.items()
                if unit_id not in made_here and (unit_id in active_units) is waits
                for task in tasks
            ]
            after_jobs = tuple(active_jobs) if waits else ()
            for part in chunks(scoring.pieces(rest), self._array_size()):
                arrays.append(replace(self._scoring_array(scoring, part), after_jobs=after_jobs))
        if num_units is not None:
            arrays.append(self._report(evaluate, num_units, tuple(active_jobs)))
        num_tasks = sum(len(array.pieces) for array in arrays)
        if num_tasks > self.limits.max_jobs:
            raise LongtakeError(
                f"{num_tasks} array tasks, but this cluster holds at most {self.limits.max_jobs} "
                "jobs (MaxJobCount): raise executor.slurm.shard_min."
            )
        return Plan(tuple(arrays))

    def _groups(self, shard: Shard) -> Iterator[tuple[Need, Shard]]:
        """Parts with one backbone to load, and the same need of memory."""
        for units in group_units(shard.units):
            needs: dict[str, Need] = {}
            for _, row in groupby(units, key=lambda u: (u.strategy, u.method_args, u.num_latents)):
                members = list(row)
                needs |= dict.fromkeys((unit.id for unit in members), need_of(members[0]))
            for kv_bytes in sorted({n.kv_bytes for n in needs.values()}):
                part = [unit for unit in units if needs[unit.id].kv_bytes == kv_bytes]
                yield needs[part[0].id], replace(shard, units=tuple(part))

    def _generate_and_score(
        self,
        need: Need,
        shard: Shard,
        scoring: Scoring,
        by_unit: Mapping[str, list[Evaluation]],
        place: int,
    ) -> Iterator[PlannedArray]:
        item_s = {unit.id: self.unit_s(unit) for unit in shard.units}
        pieces = cut(shard, shard.units[0].backbone, item_s, self.profile.shard_min * 60)
        request = self._fit(
            generation_request(
                need,
                max(piece.seconds for piece in pieces),
                self.profile,
                shard.device,
                shard.runtime.kv.host_gib,
            )
        )
        for part in chunks(pieces, self._array_size()):
            yield PlannedArray(JobStage.generate, request, tuple(part))
            scored = [
                scoring.piece([t for unit in piece.shard.units for t in by_unit.get(unit.id, ())])
                for piece in part
            ]
            if any(piece.shard.evaluations for piece in scored):
                yield self._scoring_array(scoring, scored, after=place)
                place += 1
            place += 1

    def _report(self, evaluate: Shard, num_units: int, after_jobs: tuple[str, ...]) -> PlannedArray:
        request = self._fit(report_request(num_units, self.profile))
        nothing = Piece(replace(evaluate, evaluations=()), "report", 0.0)
        return PlannedArray(JobStage.report, request, (nothing,), after_jobs=after_jobs)

    def _scoring_array(
        self, scoring: Scoring, pieces: Sequence[Piece], after: int | None = None
    ) -> PlannedArray:
        request = self._fit(scoring.request(pieces))
        return PlannedArray(JobStage.evaluate, request, tuple(pieces), after)

    def _fit(self, request: Request) -> Request:
        fitted = fitting(request, self.limits.of(request.partition))
        check_time(fitted, self.profile.signal_delay_s)
        return fitted

    def _array_size(self) -> int:
        return max(1, self.limits.max_array_size)
