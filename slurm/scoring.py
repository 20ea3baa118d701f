"""How finished units are scored in array tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eval.scoring.suite import Suite, find_suite
from harness.config.slurm_profile import SlurmProfile
from harness.store.shards import Evaluation, Shard, Stage
from slurm.packing import Piece, cut
from slurm.requests import Request, evaluation_gpus, evaluation_request, evaluation_s


@dataclass(frozen=True)
class Scoring:
    """Cuts evaluations into pieces and says what those need.

    Attributes:
        profile: what the site wants.
        template: the settings, without evaluations.
        suites: suites by the names that evaluations call them; finding one reads plug-ins' sources.
        gpus: GPUs of a task.
    """

    profile: SlurmProfile
    template: Shard
    suites: Mapping[str, Suite]
    gpus: int

    @classmethod
    def of(cls, shard: Shard, profile: SlurmProfile) -> Scoring:
        """For all evaluations of `shard`: with a GPU if any of its suites makes use of one."""
        suites = {name: find_suite(name) for name in {task.suite for task in shard.evaluations}}
        gpus = evaluation_gpus(suites.values(), profile, shard.device)
        template = replace(shard, stage=Stage.evaluate, evaluations=())
        return cls(profile, template, suites, gpus)

    def piece(self, tasks: Sequence[Evaluation]) -> Piece:
        """One array task."""
        ordered = tuple(sorted(tasks, key=lambda task: task.suite))
        seconds = sum(map(self._seconds, tasks))
        return Piece(replace(self.template, evaluations=ordered), _suites(tasks), seconds)

    def pieces(self, tasks: Sequence[Evaluation]) -> list[Piece]:
        """Array tasks of the length that the profile asks for."""
        shard = replace(self.template, evaluations=tuple(tasks))
        item_s = {task.item: self._seconds(task) for task in tasks}
        return cut(shard, _suites(tasks), item_s, self.profile.shard_min * 60)

    def request(self, pieces: Sequence[Piece]) -> Request:
        """What each of the pieces asks for."""
        longest_s = max(piece.seconds for piece in pieces)
        return evaluation_request(longest_s, self.profile, self.gpus)

    def _seconds(self, task: Evaluation) -> float:
        return evaluation_s(task, self.suites[task.suite], self.gpus)


def _suites(tasks: Sequence[Evaluation]) -> str:
    return ", ".join(sorted({task.suite for task in tasks})) or "nothing"
