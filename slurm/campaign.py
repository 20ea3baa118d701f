"""The front door: submit what is missing of a sweep, or show what would be submitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from harness.core.errors import LongtakeError
from harness.run.estimate import pair_key, recorded_latent_s
from harness.store.units import Unit
from slurm import checks
from slurm.dispatch import Dispatcher
from slurm.planning import Plan, Planner
from slurm.requests import guessed_latent_s, need_of
from slurm.state import SweepState, Verdict, read_state
from slurm.submission import JobStage, SubmissionFolder, submissions
from slurm.tries import Tried, count_all_tries
from slurm.work import Work

if TYPE_CHECKING:
    from harness.config.slurm_profile import SlurmProfile


@dataclass(frozen=True)
class Campaign:
    """One sweep on its way to the cluster: what was submitted before, and what is to be now.

    Attributes:
        dispatcher: how and where to.
    """

    dispatcher: Dispatcher

    @property
    def store(self) -> Path:
        """The sweep's folder, absolute."""
        return self.dispatcher.store

    @property
    def profile(self) -> SlurmProfile:
        """What the site wants."""
        return self.dispatcher.profile

    @cached_property
    def folders(self) -> list[SubmissionFolder]:
        """Earlier submissions."""
        return submissions(self.store)

    @cached_property
    def state(self) -> SweepState | None:
        """What became of them; None if there are none."""
        return read_state(self.store) if self.folders else None

    @cached_property
    def tries(self) -> dict[str, Tried]:
        """What became of earlier attempts at each item."""
        return {} if self.dispatcher.again else count_all_tries(self.store, self.folders)

    @cached_property
    def active(self) -> set[str]:
        """Items that waiting or running tasks are going to do."""
        return self.state.active_items if self.state else set()

    def open(self, work: Work) -> Work:
        """What of the work nobody is at and nobody gave up on.

        Scores of units that are made anew are open in any case: a task that waits to score them
        waited for the one that was to make them, and goes when it has failed.
        """
        rest = work.without(self.active | self.given_up(work))
        made_anew = {unit.id for shard in rest.generate for unit in shard.units}
        scores = {t.item for t in work.evaluate.evaluations if t.unit_id in made_anew}
        return work.without((self.active - scores) | self.given_up(work))

    def given_up(self, work: Work) -> set[str]:
        """Items that were tried often enough, and scores that would wait for their videos.

        What a task is at is not given up: its start is not in vain yet.
        """
        most = self.profile.max_attempts
        items = {
            item
            for item in work.items - self.active
            if item in self.tries and self.tries[item].num_vain >= most
        }
        return items | {task.item for task in work.evaluate.evaluations if task.unit_id in items}

    def plan(self, work: Work, num_units: int | None) -> Plan:
        """Arrays for what is open, and the report unless `num_units` is None.

        Raises:
            LongtakeError: no SLURM, too many tasks, a time limit that is too short, or nobody to
                say what is at work already.
        """
        if self.state and self.state.unreachable:
            raise LongtakeError(
                f"Nothing was submitted, as SLURM can't say what is at work already: "
                f"{self.state.unreachable}"
            )
        limits = checks.read_limits()
        open_work = self.open(work)
        planner = Planner(self.profile, limits, self._unit_s(open_work))
        active_jobs = self.state.active_jobs if self.state else []
        generate = [shard for shard in open_work.generate if shard.units]
        return planner.plan(generate, open_work.evaluate, active_jobs, self.active, num_units)

    def scripts(self, plan: Plan) -> list[str]:
        """What sbatch would get."""
        return self.dispatcher.scripts(plan)

    def check(self) -> None:
        """Check what can be known before anything is written.

        Raises:
            LongtakeError: no SLURM, a partition that isn't there, or a run folder that nodes can't
                share.
        """
        checks.check_partitions(self.profile, checks.read_limits())
        checks.check_store(self.store)

    def submit(self, plan: Plan) -> SubmissionFolder:
        """Ask the cluster whether it would take such jobs, then submit.

        Raises:
            LongtakeError: SLURM refuses a job.
        """
        checks.check_scripts(self.dispatcher.trial_scripts(plan))
        return self.dispatcher.submit(plan, self.tries)

    @property
    def wants_report(self) -> bool:
        """Whether an earlier submission ended in a report."""
        jobs = [job for folder in self.folders for job in folder.submission.jobs]
        return any(job.stage is JobStage.report for job in jobs)

    @property
    def report_is_due(self) -> bool:
        """Whether the last report task ended without a report."""
        return self.state is not None and any(
            state.shard.stage is JobStage.report
            for state in self.state.with_verdict(Verdict.failed, Verdict.lost)
        )

    def _unit_s(self, work: Work) -> Callable[[Unit], float]:
        """Estimated seconds of a unit: measured before, given, or guessed."""
        recorded = (
            recorded_latent_s(self.store.parent) if any(w.units for w in work.generate) else {}
        )
        known: dict[tuple[str, str], float] = {}

        def unit_s(unit: Unit) -> float:
            row = (unit.backbone, unit.method)
            if row not in known:
                found = recorded.get(pair_key(unit.identity))
                guess = self.profile.latent_s or guessed_latent_s(need_of(unit).weights_bytes)
                known[row] = median(found) if found else guess
            return known[row] * unit.num_latents

        return unit_s


def stages_of(plan: Plan) -> str:
    """One line: how many tasks each stage has."""
    return ", ".join(
        f"{plan.count(stage)} to {stage.value}" for stage in JobStage if plan.count(stage)
    )
