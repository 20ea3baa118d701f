"""SLURM's commands: one call for all jobs, never one per job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.core.errors import LongtakeError

_TIMEOUT_S = 60
# States after which nothing more happens, unless SLURM requeues the job (squeue then lists it).
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_AT_WORK = {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"}
_AT_WORK |= {"STAGE_OUT", "RESIZING"}


@dataclass(frozen=True)
class TaskState:
    """What SLURM knows of one array task.

    Attributes:
        job_id: id of the array, or of the job where there is no array.
        index: place in the array; 0 where there is none.
        name: name of the job.
        state: SLURM's word, without what may follow it ("CANCELLED by 0").
        reason: why it waits.
        node: where it runs or ran.
        exit_code: exit status and signal; empty while unknown.
    """

    job_id: str
    index: int
    name: str
    state: str
    reason: str = ""
    node: str = ""
    exit_code: str = ""

    @property
    def waits(self) -> bool:
        """It will run later."""
        return self.state in _WAITING

    @property
    def held(self) -> bool:
        """It waits for somebody to release it: SLURM could not launch it on its node."""
        return self.waits and self.reason.startswith("launch failed")

    @property
    def runs(self) -> bool:
        """It is at work."""
        return self.state in _AT_WORK


def run(command: Sequence[str], timeout_s: float = _TIMEOUT_S) -> str:
    """Run one of SLURM's commands.

    Raises:
        LongtakeError: there is no such command, or it fails, with what it said.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise LongtakeError(
            f"There is no SLURM here: {command[0]} was not found. Run on a login node of the "
            "cluster, or with executor=processes."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LongtakeError(f"{command[0]} did not answer within {timeout_s:g} s.") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise LongtakeError(f"{command[0]} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout


def is_here() -> bool:
    """Whether jobs can be submitted from this machine."""
    return all(shutil.which(name) for name in ("sbatch", "srun", "squeue", "scontrol", "scancel"))


def queue() -> list[TaskState]:
    """All array tasks of this user that the controller still knows, ended ones included.

    Raises:
        LongtakeError: the controller does not answer.
    """
    fields = "%F|%K|%j|%T|%r|%N"
    user = str(os.getuid())
    text = run(["squeue", "--noheader", "--array", "--states=all", f"--user={user}", "-o", fields])
    return [state for line in text.splitlines() for state in _queue_line(line)]


def _queue_line(line: str) -> list[TaskState]:
    parts = line.strip().split("|")
    if len(parts) != 6:
        return []
    job_id, indices, name, state, reason, node = parts
    reason = "" if reason == "None" else reason
    return [TaskState(job_id, i, name, state, reason, node) for i in parse_indices(indices)]


def parse_indices(text: str) -> list[int]:
    """The tasks that "7", "[3-5,9%4]" or "N/A" stand for."""
    text = text.strip("[]").partition("%")[0]
    if not text or text == "N/A":
        return [0]
    indices: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        indices += range(int(first), int(last or first) + 1)
    return indices


def accounting(job_ids: Iterable[str]) -> list[TaskState]:
    """What accounting knows of arrays; nothing where there is no accounting."""
    ids = ",".join(sorted(set(job_ids)))
    if not ids:
        return []
    fields = "JobID,JobName%128,State,ExitCode,NodeList"
    try:
        text = run(["sacct", "-n", "-X", "-P", f"--jobs={ids}", f"--format={fields}"])
    except LongtakeError:
        return []
    states = []
    for line in text.splitlines():
        job, name, state, exit_code, node = line.split("|")
        if match := re.fullmatch(r"(\d+)(?:_(.+))?", job):
            word = state.partition(" ")[0]
            node = "" if node == "None assigned" else node
            states += [
                TaskState(match[1], index, name, word, "", node, exit_code)
                for index in parse_indices(match[2] or "")
            ]
    return states


def cluster_limits() -> dict[str, str]:
    """The controller's configuration: MaxArraySize, KillWait, AccountingStorageType, ...

    Raises:
        LongtakeError: the controller does not answer.
    """
    limits = {}
    for line in run(["scontrol", "show", "config"]).splitlines():
        key, equals, value = line.partition("=")
        if equals:
            limits[key.strip()] = value.strip()
    return limits


def partitions() -> dict[str, dict[str, str]]:
    """All partitions by name, with their properties (MaxTime, State, Nodes, Default, ...).

    Raises:
        LongtakeError: the controller does not answer.
    """
    found = {}
    for line in run(["scontrol", "show", "partition", "--oneliner"]).splitlines():
        properties = dict(part.partition("=")[::2] for part in line.split() if "=" in part)
        if "PartitionName" in properties:
            found[properties["PartitionName"]] = properties
    return found


def minutes(limit: str) -> int | None:
    """A time limit as SLURM prints it ("1-00:00:00") in minutes; None if there is none."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+)*", limit):
        return None
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    # After a day count come hours, otherwise the last two are minutes and seconds.
    hours, mins = [*parts, 0][:2] if dash or len(parts) == 3 else (0, parts[0])
    return 1440 * int(days or 0) + 60 * hours + mins


def release(task_ids: Iterable[str]) -> None:
    """Let held tasks run after all.

    Raises:
        LongtakeError: SLURM doesn't let this user do it.
    """
    run(["scontrol", "release", ",".join(task_ids)])


def test_only(script: str) -> None:
    """Ask the controller whether it would take a job, without submitting it.

    Raises:
        LongtakeError: it would not, with SLURM's reason.
    """
    command = ["sbatch", "--test-only"]
    try:
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LongtakeError(f"sbatch did not answer within {_TIMEOUT_S:g} s.") from error
    if done.returncode != 0:
        said = re.sub(r"(sbatch: error: |allocation failure: )", "", done.stderr)
        raise LongtakeError(f"SLURM refuses such a job: {' '.join(said.split())}")
