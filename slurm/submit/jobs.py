"""Submission of the jobs of a header, in their order, and later of those over the site's limit.

A site may limit how many jobs and array tasks a user has submitted. An array that is refused for
that is halved until it fits. What does not fit waits: each task that ends submits what there is
room for by then. It still counts itself, so one place must be free beside it: under a limit of one
job nothing goes on by itself, and `resume` submits the rest.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError, LongtakeError
from harness.core.files import locked_if_free
from slurm import commands
from slurm.submission import (
    Job,
    JobStage,
    Submission,
    SubmissionFolder,
    submissions,
    submit_lock,
)
from slurm.submit.sbatch import ArraySpec, submit

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile

Tasks = Mapping[JobStage, Callable[[str], None]]
_LIMIT = re.compile(r"MaxSubmit|SubmitJobs|submit limit", re.IGNORECASE)


def submit_jobs(
    folder: SubmissionFolder,
    profile: SlurmProfile,
    tasks: Tasks,
    alive: Collection[str] | None = None,
) -> LongtakeError | None:
    """Submit the jobs of a submission that have no id, saving each id as it comes.

    Args:
        folder: the submission.
        profile: how the site expects resources to be requested.
        tasks: what runs on a node, by stage.
        alive: ids of the jobs that have not ended, if some may have; only those are waited for.

    Returns:
        Why a job was refused, after which no further one is tried; None if all are submitted.
    """
    submission, place = folder.read(), 0
    while place < len(submission.jobs):
        job = submission.jobs[place]
        if job.job_id is None:
            spec = spec_of(
                folder, submission, job, profile, dependency(job, submission.jobs, alive)
            )
            try:
                job_id = submit(spec, tasks[job.stage], _arguments(folder, job))
            except LongtakeError as error:
                is_limit = bool(_LIMIT.search(str(error)))
                if is_limit and job.num_tasks > 1:
                    submission = submission.halved(place)
                    folder.write(submission)
                    continue
                may_pass = not isinstance(error, ConfigError)
                folder.write(submission.refused(str(error), is_limit, may_pass))
                return error
            submitted = replace(job, job_id=job_id, error="", waits=False)
            submission = submission.with_job(place, submitted)
            folder.write(submission)
        place += 1
    return None


def submit_waiting(folder: SubmissionFolder, tasks: Tasks) -> None:
    """Submit jobs that exceeded the site's limit before; called by a task that ends.

    Nothing is done while another task or a command submits, or after a newer submission took over.
    """
    store = folder.path.parents[1]
    try:
        if not folder.read().num_waiting:
            return
        with locked_if_free(submit_lock(store)) as is_mine:
            folders = submissions(store)
            if not is_mine or folders[-1].path != folder.path or not folder.read().num_waiting:
                return
            names = [job.name for other in folders for job in other.read().jobs]
            alive = {task.job_id for task in commands.queue(names) if task.waits or task.runs}
            refusal = submit_jobs(folder, folder.read().slurm_profile(), tasks, alive)
        if refusal and not folder.read().num_waiting:
            print(f"Waiting tasks were refused, and wait no longer: {refusal}", file=sys.stderr)
        elif refusal:
            raise refusal
    except (LongtakeError, OSError) as error:
        print(f"Some tasks still wait to be submitted: {error}", file=sys.stderr)


def spec_of(
    folder: SubmissionFolder,
    submission: Submission,
    job: Job,
    profile: SlurmProfile,
    after: str,
) -> ArraySpec:
    """Return everything about the array of a job except the arguments of its tasks."""
    assert job.request is not None, "only headers of earlier versions have none"
    return ArraySpec(
        job.name, job.request, profile, folder.submitit, submission.cwd, job.num_tasks, after
    )


def dependency(job: Job, jobs: Sequence[Job], alive: Collection[str] | None = None) -> str:
    """Return the --dependency of a job; empty for none.

    Args:
        job: the job.
        jobs: all jobs of its submission, of which those before it have their ids.
        alive: see `submit_jobs`.
    """

    def not_ended(ids: Iterable[str | None]) -> list[str]:
        return [id_ for id_ in ids if id_ and (alive is None or id_ in alive)]

    if job.stage is JobStage.report:
        # The report shows what there is, whether or not all of it succeeded.
        before = not_ended(other.job_id for other in jobs if other is not job)
        before += not_ended(job.after_jobs)
    elif job.after:
        first = [other for other in jobs if other.name in job.after]
        before = not_ended(other.job_id for other in first)
        if before and len(first) == 1 and first[0].num_tasks == job.num_tasks:
            # Scoring needs its videos. By aftercorr a task waits for its own shard only; SLURM
            # knows that for arrays alone.
            return f"{'aftercorr' if job.num_tasks > 1 else 'afterok'}:{before[0]}"
    else:
        before = not_ended(job.after_jobs)
    return f"afterany:{':'.join(before)}" if before else ""


def _arguments(folder: SubmissionFolder, job: Job) -> list[str]:
    numbers = range(job.first_shard, job.first_shard + job.num_tasks)
    path_of = folder.attempts_path if job.stage is JobStage.report else folder.shard_path
    return [str(path_of(number)) for number in numbers]
