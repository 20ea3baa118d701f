"""SLURM's commands as shell scripts; all of our code runs, down to submitit's sbatch files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from slurm.commands import TaskState

_CONFIG = "MaxArraySize            = 1001\nMaxJobCount             = 1000000\nKillWait = 30 sec\n"
_PARTITION = "PartitionName=gpu Default=YES MaxTime=UNLIMITED State=UP TotalNodes=1\n"
_NODE = "NodeName=n1 NodeAddr=localhost\n"
_SCRIPT = """\
#!/bin/sh
echo "${{0##*/}} $*" >> {folder}/calls
env | grep -E '^S[A-Z]+_' >> {folder}/environment
file={folder}/${{0##*/}}
[ "${{0##*/}}" = scontrol ] && [ "$1" = show ] && file=$file.$2
if [ "${{0##*/}}" = sbatch ] && [ "$1" != --test-only ]; then
    read -r id < {folder}/next
    echo $((id + 1)) > {folder}/next
    [ -f {folder}/banner ] && cat {folder}/banner
    case "$*" in *--parsable*) echo "$id" ;; *) echo "Submitted batch job $id" ;; esac
fi
if [ -f $file.fails ]; then
    read -r left < $file.fails
    [ "$left" -gt 0 ] && echo $((left - 1)) > $file.fails && cat $file.later >&2 && exit 1
fi
[ -f $file.error ] && {{ cat $file.error >&2; exit 1; }}
[ -f $file.text ] && cat $file.text
exit 0
"""


class FakeSlurm:
    """A cluster that accepts every job and runs none.

    Args:
        folder: the scripts, and the texts that they print.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in (
            "sbatch",
            "srun",
            "squeue",
            "scontrol",
            "scancel",
            "sacct",
            "sinfo",
            "sacctmgr",
        ):
            (folder / name).write_text(_SCRIPT.format(folder=folder))
            (folder / name).chmod(0o755)
        (folder / "next").write_text("1\n")
        self.prints("scontrol.config", _CONFIG)
        self.prints("scontrol.partition", _PARTITION)
        self.prints("scontrol.node", _NODE)

    @property
    def path(self) -> str:
        """PATH on which these commands come first."""
        return f"{self.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    @property
    def calls(self) -> list[str]:
        """Commands that were called, with their arguments."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.is_file() else []

    def prints(self, command: str, text: str) -> None:
        """Let a command print a text; "scontrol.node" stands for `scontrol show node`."""
        (self.folder / f"{command}.text").write_text(text)
        (self.folder / f"{command}.error").unlink(missing_ok=True)

    def fails(self, command: str, error: str) -> None:
        """Let a command fail."""
        (self.folder / f"{command}.error").write_text(f"{error}\n")

    def fails_times(self, command: str, times: int, error: str) -> None:
        """Let the next calls of a command fail, and later ones succeed."""
        (self.folder / f"{command}.later").write_text(f"{error}\n")
        (self.folder / f"{command}.fails").write_text(f"{times}\n")

    def queue(self, tasks: Iterable[TaskState]) -> None:
        """Set the tasks that squeue lists."""
        lines = (f"{t.job_id}|{t.index}|{t.name}|{t.state}|{t.reason}|{t.node}\n" for t in tasks)
        self.prints("squeue", "".join(lines))

    def account(self, tasks: Iterable[TaskState]) -> None:
        """Set the tasks that sacct lists."""
        lines = (f"{t.job_id}_{t.index}|{t.name}|{t.state}|{t.exit_code}|{t.node}\n" for t in tasks)
        self.prints("sacct", "".join(lines))
