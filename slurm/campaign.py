"""A campaign: one command that submits what a sweep lacks, or shows what it would submit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from harness.core.errors import ClusterError
from harness.run.speeds import pair_speeds, recorded_latent_s
from harness.store.units import Unit
from slurm.attempts.counts import AttemptCounts, count_all_attempts
from slurm.checks import preflight
from slurm.plan.arrays import Plan
from slurm.plan.limits import read_limits
from slurm.plan.missing import MissingWork
from slurm.plan.planner import Planner
from slurm.plan.resources import guessed_latent_s, need_of
from slurm.status.state import SweepState, read_state
from slurm.status.verdicts import Verdict
from slurm.submission import JobStage, SubmissionFolder, submissions
from slurm.submit.dispatch import Dispatcher

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile


@dataclass(frozen=True)
class Campaign:
    """One command on a sweep, aware of everything that was submitted before.

    Attributes:
        dispatcher: submits the plan.
    """

    dispatcher: Dispatcher

    @property
    def store(self) -> Path:
        """The sweep's folder, absolute."""
        return self.dispatcher.store

    @property
    def profile(self) -> SlurmProfile:
        """SLURM profile: how this site expects resources to be requested."""
        return self.dispatcher.profile

    @cached_property
    def folders(self) -> list[SubmissionFolder]:
        """Earlier submissions, the oldest first."""
        return submissions(self.store)

    @cached_property
    def state(self) -> SweepState | None:
        """State of the earlier submissions; None if there are none."""
        return read_state(self.store) if self.folders else None

    @cached_property
    def attempts(self) -> dict[str, AttemptCounts]:
        """Unsuccessful attempts of earlier submissions at each item."""
        return {} if self.dispatcher.again else count_all_attempts(self.store, self.folders)

    @cached_property
    def active(self) -> set[str]:
        """Items that pending or running tasks are going to finish."""
        return self.state.active_items if self.state else set()

    def open(self, work: MissingWork) -> MissingWork:
        """Return the work that is neither running or queued nor abandoned."""
        abandoned = self.abandoned(work)
        rest = work.without(self.active | abandoned)
        if not self.active:
            return rest
        # A queued scoring task waits for the generating task of its own submission. If that has
        # failed, SLURM cancels the scoring task, and this submission generates the unit. Scores of
        # such units are therefore open although a task seems to work on them.
        generated_here = {unit.id for shard in rest.generate for unit in shard.units}
        scores = {t.item for t in work.evaluate.evaluations if t.unit_id in generated_here}
        return work.without((self.active - scores) | abandoned)

    def abandoned(self, work: MissingWork) -> set[str]:
        """Return items that reached `max_attempts`, and evaluations that would wait for them.

        Items a running task is working on are never abandoned; that attempt may still succeed.
        """
        worn_out = {
            item
            for item, count in self.attempts.items()
            if count.unsuccessful >= self.profile.max_attempts and item not in self.active
        }
        if not worn_out:
            return set()
        items = worn_out & work.items
        return items | {task.item for task in work.evaluate.evaluations if task.unit_id in items}

    def plan(self, work: MissingWork, num_units: int | None) -> Plan:
        """Plan the arrays for all work that is open.

        Args:
            work: everything that the sweep lacks.
            num_units: number of units of the whole sweep, for the report; None for no report.

        Raises:
            ClusterError: SLURM cannot be asked, here or about earlier submissions.
            ConfigError: too many tasks, or a time limit that is too short.
        """
        # Without the queue, running work would be submitted a second time.
        if self.state and self.state.unreachable:
            raise ClusterError(
                "Nothing was submitted, because SLURM cannot say which tasks are running already: "
                f"{self.state.unreachable}"
            )
        open_work = self.open(work)
        planner = Planner(self.profile, read_limits(self.profile), self._unit_s(open_work))
        active_jobs = self.state.active_jobs if self.state else []
        return planner.plan(open_work, active_jobs, self.active, num_units)

    def scripts(self, plan: Plan) -> list[str]:
        """Return the sbatch files of a plan."""
        return self.dispatcher.scripts(plan)

    def check(self) -> None:
        """Check what can be checked before anything is written.

        Raises:
            ConfigError: an unknown partition, or a run folder that nodes cannot share.
            ClusterError: there is no SLURM here, or it does not answer.
        """
        preflight.check_partitions(self.profile, read_limits(self.profile))
        preflight.check_store(self.store)

    def submit(self, plan: Plan) -> SubmissionFolder:
        """Submit a plan, after the cluster was asked whether it accepts such jobs.

        Raises:
            ConfigError: a job requests something that the cluster does not have.
            ClusterError: SLURM refuses a job or does not answer.
        """
        preflight.check_scripts(self.dispatcher.trial_scripts(plan))
        return self.dispatcher.submit(plan, self.attempts)

    @property
    def wants_report(self) -> bool:
        """True if an earlier submission has a report task."""
        jobs = [job for folder in self.folders for job in folder.submission.jobs]
        return any(job.stage is JobStage.report for job in jobs)

    @property
    def report_is_due(self) -> bool:
        """True if the last report task ended without a report."""
        return self.state is not None and any(
            state.shard.stage is JobStage.report
            for state in self.state.with_verdict(Verdict.failed, Verdict.lost)
        )

    def _unit_s(self, work: MissingWork) -> Callable[[Unit, int], float]:
        """Return a function that estimates the seconds of generating a unit.

        The estimate uses earlier records of the same backbone and method, of as many units in step
        or else of other numbers, else `latent_s` of the profile, else a guess.
        """
        recorded = (
            recorded_latent_s(self.store.parent) if any(s.units for s in work.generate) else {}
        )
        known: dict[tuple[str, str, int], float] = {}

        def unit_s(unit: Unit, in_step: int) -> float:
            row = (unit.backbone, unit.method, in_step)
            if row not in known:
                found = pair_speeds(recorded, unit.identity, in_step)
                guess = self.profile.latent_s or guessed_latent_s(need_of(unit).weights_bytes)
                known[row] = median(found) if found else guess
            return known[row] * unit.num_latents

        return unit_s


def stages_of(plan: Plan) -> str:
    """Return one line that tells how many tasks each stage has."""
    return ", ".join(
        f"{plan.count(stage)} to {stage.value}" for stage in JobStage if plan.count(stage)
    )
