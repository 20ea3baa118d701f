"""Calls of SLURM's commands: one for all jobs, never one per job, which would load the controller.

Trouble with the cluster is a `ClusterError`. A job that SLURM refuses for what it requests (an
unknown account, more memory than any node has) is a `ConfigError`: the user can change it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.core.errors import ClusterError, ConfigError, LongtakeError

T = TypeVar("T")
_TIMEOUT_S = 60
_NAMES_A_CALL = 1000  # one argument of a command holds 128 KiB
_RETRY_WAITS_S = (2.0, 10.0, 30.0)
# Trouble of a busy controller: the next try may succeed.
_PASSING = re.compile(
    r"timed out|unable to contact|connect failure|temporarily|try again|zero bytes were transmitted"
    r"|unexpected message received",
    re.IGNORECASE,
)
# Defaults that a shell profile may set for these commands would change what they answer.
_FOREIGN = ("SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_")
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_RUNNING = {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"}
_RUNNING |= {"STAGE_OUT", "RESIZING"}
# Refusals of a request as such (slurm_errno.c). All others are limits and policies of the site, or
# trouble: they may pass, or are for the administrators to change.
_BAD_REQUEST = re.compile(
    r"invalid (partition|account|qos|feature|generic resource|wckey|job array|time limit)"
    r"|requested (node configuration|time limit)|node count specification"
    r"|more processors requested|memory specification|memory required by task"
    r"|unrecognized option|invalid option|invalid argument",
    re.IGNORECASE,
)
_NO_SUCH_NODES = "Requested node configuration is not available"


@dataclass(frozen=True)
class TaskState:
    """State of one array task according to SLURM.

    Attributes:
        job_id: id of the array, or of the job where there is no array.
        index: index in the array; 0 where there is no array.
        name: name of the job.
        state: SLURM's word for the state, without additions such as "CANCELLED by 0".
        reason: why the task is pending.
        node: node of the task while or since it runs.
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
        """True for a task that will run later."""
        return self.state in _WAITING

    @property
    def held(self) -> bool:
        """True for a task that SLURM failed to launch and holds until it is released."""
        return self.waits and self.reason.startswith("launch failed")

    @property
    def runs(self) -> bool:
        """True for a task that occupies a node."""
        return self.state in _RUNNING


def run(command: Sequence[str], timeout_s: float = _TIMEOUT_S) -> str:
    """Run one of SLURM's commands and return what it prints.

    Raises:
        ClusterError: there is no such command, it does not answer, or it fails.
    """
    done = _call(command, timeout_s)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ClusterError(f"{command[0]} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout


def is_here() -> bool:
    """Return True if jobs can be submitted from this machine."""
    return all(shutil.which(name) for name in ("sbatch", "srun", "squeue", "scontrol", "scancel"))


def retrying(action: Callable[[], T]) -> T:
    """Do something, again after growing waits where a busy controller is the reason for failure.

    Raises:
        LongtakeError: it failed for another reason, or every time.
    """
    for wait_s in _RETRY_WAITS_S:
        try:
            return action()
        except ClusterError as error:
            if not _PASSING.search(str(error)):
                raise
        time.sleep(wait_s)
    return action()


def queue(names: Sequence[str]) -> list[TaskState]:
    """Return the array tasks of jobs that the controller still knows, ended ones included.

    Jobs are asked for by name and not by user: a colleague may look at a sweep, too.

    Raises:
        ClusterError: the controller does not answer.
    """
    fields = "%F|%K|%j|%T|%r|%N"
    found: list[TaskState] = []
    for first in range(0, len(names), _NAMES_A_CALL):
        chosen = f"--name={','.join(names[first : first + _NAMES_A_CALL])}"
        text = run(["squeue", "--noheader", "--array", "--states=all", chosen, "-o", fields])
        found += [state for line in text.splitlines() for state in _queue_line(line)]
    return found


def _queue_line(line: str) -> list[TaskState]:
    parts = line.strip().split("|")
    if len(parts) != 6:
        return []
    job_id, indices, name, state, reason, node = parts
    reason = "" if reason == "None" else reason
    return [TaskState(job_id, i, name, state, reason, node) for i in parse_indices(indices)]


def parse_indices(text: str) -> list[int]:
    """Return the array indices that "7", "[3-5,9%4]" or "N/A" stand for."""
    text = text.strip("[]").partition("%")[0]
    if not text or text == "N/A":
        return [0]
    indices: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        indices += range(int(first), int(last or first) + 1)
    return indices


def accounting(job_ids: Iterable[str]) -> list[TaskState]:
    """Return the tasks of arrays from accounting; none where there is no accounting."""
    ids = ",".join(sorted(set(job_ids)))
    if not ids:
        return []
    fields = "JobID,JobName%128,State,ExitCode,NodeList"
    try:
        text = run(["sacct", "-n", "-X", "-P", f"--jobs={ids}", f"--format={fields}"])
    except ClusterError:
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


def configuration() -> dict[str, str]:
    """Return the controller's configuration: MaxArraySize, KillWait, AccountingStorageType, ...

    Raises:
        ClusterError: the controller does not answer.
    """
    limits = {}
    for line in run(["scontrol", "show", "config"]).splitlines():
        key, equals, value = line.partition("=")
        if equals:
            limits[key.strip()] = value.strip()
    return limits


def partitions() -> dict[str, dict[str, str]]:
    """Return the properties of all partitions by name (MaxTime, State, Nodes, Default, ...).

    Raises:
        ClusterError: the controller does not answer.
    """
    found = {}
    for line in run(["scontrol", "show", "partition", "--oneliner"]).splitlines():
        properties = dict(part.partition("=")[::2] for part in line.split() if "=" in part)
        if "PartitionName" in properties:
            found[properties["PartitionName"]] = properties
    return found


def minutes(limit: str) -> int | None:
    """Convert a time limit as SLURM prints it ("1-00:00:00") to minutes; None for no limit."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+)*", limit):
        return None
    days, dash, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    # Hours follow a day count; without one, two numbers are minutes and seconds.
    hours, mins = [*parts, 0][:2] if dash or len(parts) == 3 else (0, parts[0])
    return 1440 * int(days or 0) + 60 * hours + mins


def qos_minutes(qos: str | None) -> int | None:
    """Return the longest time limit of a quality of service; None if it has none or is unknown."""
    if not qos:
        return None
    try:
        found = run(["sacctmgr", "-n", "-P", "show", "qos", qos, "format=MaxWall"])
    except ClusterError:  # no accounting: SLURM knows no QOS then
        return None
    return minutes(found.strip())


def release(task_ids: Iterable[str]) -> None:
    """Release held tasks.

    Raises:
        ClusterError: the controller does not answer, or does not allow it.
    """
    run(["scontrol", "release", ",".join(task_ids)])


def test_only(script: str) -> None:
    """Ask the controller whether it would accept a job, without leaving one in the queue.

    Raises:
        ConfigError: the job requests something that this cluster does not have.
        ClusterError: a policy of the site forbids the job, or the controller does not answer.
    """
    done = _call(["sbatch", "--test-only"], _TIMEOUT_S, script)
    if done.returncode != 0 and _NO_SUCH_NODES in done.stderr:
        # --test-only considers only nodes that are up: while the nodes are drained, or not yet
        # registered with a controller that has just started, it refuses what the queue accepts. A
        # job that begins later is judged by the nodes' configuration (a held one by nothing).
        later = ["sbatch", "--begin=now+1hour", "--parsable"]
        done = _call(later, _TIMEOUT_S, script)
        if done.returncode == 0 and (job_id := job_id_of(done.stdout)):
            run(["scancel", job_id])
    if done.returncode != 0:
        raise refusal("SLURM refuses such a job", done.stderr)


def refusal(heading: str, said: str) -> LongtakeError:
    """Build the error for a job that sbatch did not accept.

    Args:
        heading: first words of the message.
        said: output of sbatch.
    """
    reasons = re.sub(
        r"(sbatch: )?(error: |allocation failure: |Batch job submission failed: )", "", said
    )
    kind = ConfigError if _BAD_REQUEST.search(reasons) else ClusterError
    return kind(f"{heading}: {' '.join(reasons.split())}")


def job_id_of(printed: str) -> str | None:
    """Return the job id that `sbatch --parsable` printed, also below a banner; None without one."""
    found = re.findall(r"^(\d+)(?:;\S*)?\s*$", printed, re.MULTILINE)
    return found[-1] if found else None


def plain_environment() -> dict[str, str]:
    """Return the environment without defaults that a site or a user set for SLURM's commands."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def _call(
    command: Sequence[str], timeout_s: float, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=plain_environment(),
        )
    except FileNotFoundError as error:
        raise ClusterError(
            f"There is no SLURM here: {command[0]} was not found. Run on a login node of the "
            "cluster, or with executor=processes."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{command[0]} did not answer within {timeout_s:g} s.") from error
