"""Dispatch of a plan: shard files, chained arrays, and the header that records them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.schema import with_defaults
from slurm.attempts.counts import AttemptCounts, write_counts
from slurm.node.task import TASKS
from slurm.plan.arrays import Piece, Plan
from slurm.submission import (
    Job,
    JobStage,
    PlannedShard,
    Submission,
    SubmissionFolder,
    new_id,
)
from slurm.submit.jobs import dependency, spec_of, submit_jobs
from slurm.submit.sbatch import script

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
        submission = self._header("dry-run", self._jobs(plan, "dry-run"))
        jobs = [replace(job, job_id=f"<{job.name}>") for job in submission.jobs]
        return [
            script(spec_of(folder, submission, job, self.profile, dependency(job, jobs)))
            for job in jobs
        ]

    def trial_scripts(self, plan: Plan) -> list[str]:
        """Return one sbatch file per distinct request, without dependencies, for a trial."""
        folder = SubmissionFolder(self.store / "slurm" / "trial")
        submission = self._header("trial", self._jobs(plan, "trial"))
        found = {
            job.request: script(
                spec_of(folder, submission, replace(job, num_tasks=1), self.profile, "")
            )
            for job in submission.jobs
        }
        return list(found.values())

    def submit(self, plan: Plan, counts: Mapping[str, AttemptCounts]) -> SubmissionFolder:
        """Write all files, then submit array after array.

        If one is refused, the arrays before it stay submitted: the error says so, `status` shows
        them and `resume` submits the rest. A limit on submitted jobs is not an error: tasks
        that end submit the rest (`slurm.submit.jobs`).

        Args:
            plan: arrays to submit.
            counts: unsuccessful attempts of earlier submissions.

        Raises:
            ConfigError: the job requests something that the cluster does not have.
            ClusterError: SLURM refuses a job or does not answer.
        """
        id_ = new_id()
        submission = self._header(id_, self._jobs(plan, id_))
        folder = SubmissionFolder(self.store / "slurm" / id_)
        self._write_shards(folder, plan, counts)
        # The header names the jobs before they exist. If a command is killed between sbatch and the
        # next write, `status` still finds the job by its name.
        folder.write(submission)
        error = submit_jobs(folder, self.profile, TASKS)
        jobs = folder.submission.jobs
        if error and not folder.submission.num_waiting:
            raise type(error)(f"{error} {self._so_far(jobs)}") from error
        return folder

    def _so_far(self, jobs: Sequence[Job]) -> str:
        """Say what was submitted before a job was refused, and how to go on."""
        ids = ", ".join(f"{job.stage} {job.job_id}" for job in jobs if job.job_id)
        left = sum(job.num_tasks for job in jobs if not job.job_id)
        again = f"python -m harness resume {shlex.quote(str(self.store))}"
        return (
            f"Submitted before: {ids or 'nothing'}; {left} tasks are left. A limit on submitted "
            "jobs is met by fewer tasks (executor.slurm.shard_min) or smaller arrays "
            f"(executor.slurm.max_array_tasks). To go on: {again}"
        )

    def _header(self, submission_id: str, jobs: Sequence[Job]) -> Submission:
        profile = with_defaults(self.profile)
        return Submission(submission_id, self.command, self.cwd, profile, self.again, tuple(jobs))

    def _jobs(self, plan: Plan, submission_id: str) -> list[Job]:
        jobs: list[Job] = []
        first_shard = 0
        sweep = re.sub(r"[^A-Za-z0-9._-]", "_", self.store.name)[:40]
        for place, array in enumerate(plan.arrays):
            name = f"longtake-{sweep}-{submission_id}-{place}-{array.stage}"
            jobs.append(
                Job(
                    array.stage,
                    name,
                    first_shard,
                    len(array.pieces),
                    request=array.request,
                    after=() if array.after is None else (jobs[array.after].name,),
                    after_jobs=array.after_jobs,
                )
            )
            first_shard += len(array.pieces)
        return jobs

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
                path.write_bytes(array.shard_of(piece).to_line())
                if before := {item: counts[item] for item in shard.items if item in counts}:
                    write_counts(path, before)
        folder.write_plan(planned)


def _planned(number: int, stage: JobStage, piece: Piece) -> PlannedShard:
    shard = piece.shard
    if stage is JobStage.report:
        return PlannedShard(number, stage, piece.label, ("report",), (1,), shard.device)
    items = tuple(shard.items)
    return PlannedShard(number, stage, piece.label, items, piece.amounts, shard.device)
