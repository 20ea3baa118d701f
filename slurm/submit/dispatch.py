"""Dispatch of a plan: shard files, chained arrays, and the header that records them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import LongtakeError
from harness.core.schema import with_defaults
from slurm.attempts.counts import AttemptCounts, write_counts
from slurm.node.task import ReportTask, ShardTask
from slurm.plan.arrays import Piece, Plan, PlannedArray
from slurm.submission import (
    Job,
    JobStage,
    PlannedShard,
    Submission,
    SubmissionFolder,
    new_id,
)
from slurm.submit.sbatch import ArraySpec, script, submit

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile


@dataclass(frozen=True)
class Dispatcher:
    """Submits plans of one sweep.

    Attributes:
        store: the sweep's folder, absolute.
        profile: how the site expects resources to be requested.
        command: arguments of the sweep command.
        cwd: working folder of the sweep command; tasks run there.
        again: also retry items that were abandoned.
    """

    store: Path
    profile: SlurmProfile
    command: tuple[str, ...]
    cwd: str
    again: bool = False

    def scripts(self, plan: Plan) -> list[str]:
        """Return the sbatch file of every array without submitting or writing anything."""
        folder = SubmissionFolder(self.store / "slurm" / "dry-run")
        jobs = self._jobs(plan, "dry-run")
        ids = [f"<{job.name}>" for job in jobs]
        return [
            script(self._spec(folder, array, job, _dependency(plan, array, ids)))
            for array, job in zip(plan.arrays, jobs, strict=True)
        ]

    def trial_scripts(self, plan: Plan) -> list[str]:
        """Return one sbatch file per distinct request, without dependencies, for a trial."""
        folder = SubmissionFolder(self.store / "slurm" / "trial")
        jobs = self._jobs(plan, "trial")
        found = {
            array.request: script(self._spec(folder, array, replace(job, num_tasks=1), ""))
            for array, job in zip(plan.arrays, jobs, strict=True)
        }
        return list(found.values())

    def submit(self, plan: Plan, counts: Mapping[str, AttemptCounts]) -> SubmissionFolder:
        """Write all files, then submit array after array.

        If one is refused, the arrays before it stay submitted: the error says so, `status` shows
        them and `resume` submits the rest.

        Args:
            plan: arrays to submit.
            counts: unsuccessful attempts of earlier submissions.

        Raises:
            ConfigError: the job requests something that the cluster does not have.
            ClusterError: SLURM refuses a job or does not answer.
        """
        submission = Submission(
            new_id(),
            self.command,
            self.cwd,
            with_defaults(self.profile),
            self.again,
        )
        folder = SubmissionFolder(self.store / "slurm" / submission.id)
        submission = replace(submission, jobs=tuple(self._jobs(plan, submission.id)))
        self._write_shards(folder, plan, counts)
        # The header names the jobs before they exist. If a command is killed between sbatch and the
        # next write, `status` still finds the job by its name.
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
                raise type(error)(f"{error} {self._so_far(submission.jobs, place)}") from error
            submission = submission.with_job(place, job)
            folder.write(submission)
        return folder

    def _so_far(self, jobs: Sequence[Job], place: int) -> str:
        """Say what was submitted before the job at `place` was refused, and how to go on."""
        ids = ", ".join(f"{job.stage} {job.job_id}" for job in jobs[:place])
        left = sum(job.num_tasks for job in jobs[place:])
        again = f"python -m harness resume {shlex.quote(str(self.store))}"
        return (
            f"Submitted before: {ids or 'nothing'}; {left} tasks are left. A limit on submitted "
            "jobs is met by fewer tasks (executor.slurm.shard_min) or smaller arrays "
            f"(executor.slurm.max_array_tasks). To go on: {again}"
        )

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
        self, folder: SubmissionFolder, plan: Plan, counts: Mapping[str, AttemptCounts]
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
                # A submission takes effect only once its header exists, so these writes need not
                # be atomic.
                path.write_text(array.shard_of(piece).to_json())
                if before := {item: counts[item] for item in shard.items if item in counts}:
                    write_counts(path, before)
        folder.write_plan(planned)


def _planned(number: int, stage: JobStage, piece: Piece) -> PlannedShard:
    shard = piece.shard
    if stage is JobStage.report:
        return PlannedShard(number, stage, piece.label, ("report",), (1,), shard.device)
    items = tuple(shard.items)
    return PlannedShard(number, stage, piece.label, items, piece.amounts, shard.device)


def _dependency(plan: Plan, array: PlannedArray, ids: Sequence[str | None]) -> str:
    """Return the --dependency of an array.

    Args:
        plan: all arrays.
        array: one of them.
        ids: job ids of the arrays before it; None for those not submitted yet.
    """
    if array.stage is JobStage.report:
        # The report shows what there is, whether or not all of it succeeded.
        before = [id_ for id_, a in zip(ids, plan.arrays, strict=True) if a is not array and id_]
        jobs = [*before, *array.after_jobs]
        return f"afterany:{':'.join(jobs)}" if jobs else ""
    if array.after is not None:
        # Scoring needs its videos. By aftercorr a task waits for its own shard only; SLURM knows
        # that for arrays alone.
        return f"{'aftercorr' if len(array.pieces) > 1 else 'afterok'}:{ids[array.after]}"
    return f"afterany:{':'.join(array.after_jobs)}" if array.after_jobs else ""
