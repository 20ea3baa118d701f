"""Submitting a plan: shard files, three chained stages, one header that says what was submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import LongtakeError
from harness.core.schema import with_defaults
from slurm.packing import Piece
from slurm.planning import Plan, PlannedArray
from slurm.sbatch import ArraySpec, script, submit
from slurm.submission import (
    SCHEMA,
    Job,
    JobStage,
    PlannedShard,
    Submission,
    SubmissionFolder,
    new_id,
)
from slurm.task import ReportTask, ShardTask
from slurm.tries import Tried, write_tried

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile


@dataclass(frozen=True)
class Dispatcher:
    """Submits plans of one sweep.

    Attributes:
        store: the sweep's folder, absolute.
        profile: what the site wants.
        command: what was typed.
        cwd: folder it was first typed in.
        again: units given up earlier are tried again.
    """

    store: Path
    profile: SlurmProfile
    command: tuple[str, ...]
    cwd: str
    again: bool = False

    def scripts(self, plan: Plan) -> list[str]:
        """The sbatch text of every array, without submitting or writing anything."""
        folder = SubmissionFolder(self.store / "slurm" / "dry-run")
        jobs = self._jobs(plan, "dry-run")
        ids = [f"<{job.name}>" for job in jobs]
        return [
            script(self._spec(folder, array, job, _dependency(plan, array, ids)))
            for array, job in zip(plan.arrays, jobs, strict=True)
        ]

    def trial_scripts(self, plan: Plan) -> list[str]:
        """One script per kind of request, without dependencies, to ask the cluster about."""
        folder = SubmissionFolder(self.store / "slurm" / "trial")
        jobs = self._jobs(plan, "trial")
        found = {
            array.request: script(self._spec(folder, array, replace(job, num_tasks=1), ""))
            for array, job in zip(plan.arrays, jobs, strict=True)
        }
        return list(found.values())

    def submit(self, plan: Plan, tried: Mapping[str, Tried]) -> SubmissionFolder:
        """Write all files, then submit array after array.

        Args:
            plan: what to do.
            tried: what became of earlier attempts at items.

        Raises:
            LongtakeError: the folder can't be written to, or SLURM refuses a job. What was
                submitted until then stays; `status` shows it and `resume` submits the rest.
        """
        submission = Submission(
            SCHEMA,
            new_id(),
            self.command,
            self.cwd,
            with_defaults(self.profile),
            self.again,
        )
        folder = SubmissionFolder(self.store / "slurm" / submission.id)
        submission = replace(submission, jobs=tuple(self._jobs(plan, submission.id)))
        self._write_shards(folder, plan, tried)
        folder.write(submission)
        for place, array in enumerate(plan.arrays):
            job = submission.jobs[place]
            ids = [job.job_id for job in submission.jobs]
            spec = self._spec(folder, array, job, _dependency(plan, array, ids))
            try:
                job = replace(job, job_id=submit(spec, *self._task(folder, job)))
            except LongtakeError as error:
                failed = (replace(job, error=str(error)) for job in submission.jobs[place:])
                folder.write(replace(submission, jobs=(*submission.jobs[:place], *failed)))
                raise
            submission = submission.with_job(place, job)
            folder.write(submission)
        return folder

    def _jobs(self, plan: Plan, submission_id: str) -> list[Job]:
        jobs, first_shard = [], 0
        sweep = re.sub(r"[^A-Za-z0-9._-]", "_", self.store.name)[:40]
        for place, array in enumerate(plan.arrays):
            name = f"longtake-{sweep}-{submission_id}-{place}-{array.stage}"
            jobs.append(Job(array.stage, name, first_shard, len(array.pieces)))
            first_shard += len(array.pieces)
        return jobs

    def _spec(
        self, folder: SubmissionFolder, array: PlannedArray, job: Job, dependency: str
    ) -> ArraySpec:
        return ArraySpec(
            job.name,
            array.request,
            self.profile,
            folder.submitit,
            self.cwd,
            job.num_tasks,
            dependency,
        )

    def _task(
        self, folder: SubmissionFolder, job: Job
    ) -> tuple[ShardTask | ReportTask, Sequence[str]]:
        numbers = range(job.first_shard, job.first_shard + job.num_tasks)
        if job.stage is JobStage.report:
            return ReportTask(), [str(folder.attempts_path(number)) for number in numbers]
        return ShardTask(), [str(folder.shard_path(number)) for number in numbers]

    def _write_shards(
        self, folder: SubmissionFolder, plan: Plan, tried: Mapping[str, Tried]
    ) -> None:
        for name in ("shards", "attempts", "submitit"):
            (folder.path / name).mkdir(parents=True, exist_ok=True)
        planned: list[PlannedShard] = []
        for array in plan.arrays:
            for piece in array.pieces:
                shard = _planned(len(planned), array.stage, piece)
                planned.append(shard)
                if shard.stage is JobStage.report:
                    continue
                path = folder.shard_path(shard.number)
                # Nothing counts before the header is there, so these need not be safe one by one.
                path.write_text(array.shard_of(piece).to_json())
                if before := {item: tried[item] for item in shard.items if item in tried}:
                    write_tried(path, before)
        folder.write_plan(planned)


def _planned(number: int, stage: JobStage, piece: Piece) -> PlannedShard:
    shard = piece.shard
    if stage is JobStage.report:
        return PlannedShard(number, stage, piece.label, ("report",), (1,), shard.device)
    items = tuple(shard.items)
    return PlannedShard(number, stage, piece.label, items, piece.amounts, shard.device)


def _dependency(plan: Plan, array: PlannedArray, ids: Sequence[str | None]) -> str:
    """The --dependency of an array: scoring follows task by task, the report whatever happened."""
    if array.stage is JobStage.report:
        before = [id_ for id_, a in zip(ids, plan.arrays, strict=True) if a is not array and id_]
        jobs = [*before, *array.after_jobs]
        return f"afterany:{':'.join(jobs)}" if jobs else ""
    if array.after is not None:
        return f"{'aftercorr' if len(array.pieces) > 1 else 'afterok'}:{ids[array.after]}"
    return f"afterany:{':'.join(array.after_jobs)}" if array.after_jobs else ""
