"""submitit's executor, made safe for sites: plain job ids, paths with %, no option of its own."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from submitit import SlurmExecutor
from submitit.core import core, utils
from submitit.slurm.slurm import SlurmJob

from slurm.commands import job_id_of


class SiteExecutor(SlurmExecutor):
    """Submits with `--parsable`, which prints the job id alone on its line.

    A site may wrap sbatch in a script that prints a banner, in which submitit would take any number
    after "job" for the id.
    """

    def _internal_process_submissions(
        self, delayed_submissions: list[utils.DelayedSubmission]
    ) -> list[core.Job[Any]]:
        if len(delayed_submissions) == 1:
            return super()._internal_process_submissions(delayed_submissions)
        # submitit makes a plain SlurmExecutor for an array, without what this class changes.
        folder = utils.JobPaths.get_first_id_independent_folder(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        pickles = []
        try:
            for delayed in delayed_submissions:
                pickles.append(folder / f"{uuid.uuid4().hex}.pkl")
                delayed.set_timeout(self.parameters["time"], self.max_num_timeout)
                delayed.dump(pickles[-1])
            array = type(self)(self.folder, self.max_num_timeout)
            array.update_parameters(**self.parameters)
            array.parameters["map_count"] = len(delayed_submissions)
            first = array._submit_command(self._submitit_command_str)
        except BaseException:
            for path in pickles:
                path.unlink(missing_ok=True)
            raise
        jobs: list[core.Job[Any]] = [
            SlurmJob(folder=self.folder, job_id=f"{first.job_id}_{index}", tasks=[0])
            for index in range(len(delayed_submissions))
        ]
        for job, path in zip(jobs, pickles, strict=True):
            job.paths.move_temporary_file(path, "submitted_pickle")
        return jobs

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        folder = self.folder
        if "%" not in str(folder):
            return super()._make_submission_file_text(command, uid)
        # SLURM, and submitit before it, expand %j and the like in the paths of logs, so a % of the
        # folder must be written twice. The space makes submitit quote the path.
        self.folder = Path("/logs of this sweep")
        try:
            text = super()._make_submission_file_text(command, uid)
        finally:
            self.folder, stand_in = folder, str(self.folder)
        quoted = str(folder).replace("%", "%%").replace("'", "'\"'\"'")
        return text.replace(stand_in, quoted)

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return ["sbatch", "--parsable", str(submission_file_path)]

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        text = string if isinstance(string, str) else string.decode(errors="replace")
        if job_id := job_id_of(text):
            return job_id
        raise utils.FailedSubmissionError(f"error: sbatch printed no job id: {text.strip()!r}")
