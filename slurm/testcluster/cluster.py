"""Start and stop of a test cluster."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.core.errors import ClusterError, ConfigError
from harness.core.typed_files import read_typed, write_typed
from slurm.testcluster.accounting import AccountingDatabase
from slurm.testcluster.options import FAKE_GPUS, ClusterOptions
from slurm.testcluster.ports import release_ports, reserved_ports
from slurm.testcluster.processes import (
    end,
    has_variable,
    name_of,
    pid_of,
    processes_with,
    run_command,
    wait_until,
)

PACKAGES = "slurmctld slurmd slurm-client munge"
ACCOUNTING_PACKAGES = "slurmdbd mariadb-server"
_COMMANDS = ("munged", "munge", "slurmctld", "slurmd", "sinfo", "scontrol")
_ACCOUNTING_COMMANDS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb-admin")
_MAX_PATH = 70  # a unix socket's path has 108 bytes
_READY_S = 60
_READY = ("idle", "mixed", "allocated", "completing")


class ThrowawayCluster:
    """A cluster in one folder; starting and stopping it is safe to repeat.

    Args:
        folder: configuration, sockets, state and logs of the cluster.
        options: its size and timers; by default those of its last start.
    """

    def __init__(self, folder: Path, options: ClusterOptions | None = None) -> None:
        self.folder = folder.resolve()
        self.options = options or self._saved_options()

    @property
    def conf(self) -> Path:
        """The slurm.conf, for SLURM_CONF."""
        return self.folder / "etc/slurm.conf"

    @property
    def node_names(self) -> list[str]:
        """Names of all nodes: n1, n2, ..."""
        return [f"n{number}" for number in range(1, self.options.nodes + 1)]

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which SLURM's commands reach this cluster."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
        return kept | {"SLURM_CONF": str(self.conf), "PATH": path}

    def start(self, fresh: bool = False) -> None:
        """Start the daemons that do not run, and wait until all nodes answer.

        Args:
            fresh: forget jobs and accounting of earlier starts.

        Raises:
            ConfigError: the user is not root, the folder's path is too long, or Debian packages
                are missing.
            ClusterError: a daemon does not come up.
        """
        self._check()
        if fresh or not any(self.states().values()):
            self._start_all(fresh)
        else:
            self._start_missing()
        self._wait_for_nodes()

    def _start_all(self, fresh: bool) -> None:
        self.stop()
        if fresh:
            for name in ("state", "spool", "log", "run", "munge", "etc", "db"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("etc", "state", "spool", "log", "run", "munge"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        self.folder.chmod(0o755)  # munge requires that all users can reach its socket
        write_typed(self.folder / "options.json", self.options)
        count = self.options.nodes + 2
        with reserved_ports(self.folder, count, lambda other: _munge_pid(other) is not None) as p:
            self._write_configuration(p[0], p[1], p[2:])
            self._start_missing()

    def _start_missing(self) -> None:
        states = self.states()
        if not states["munged"]:
            self._start_munge()
        if self.options.accounting:
            self._database().start()
        if not states["slurmctld"]:
            self.start_controller()
        for name in self.node_names:
            if not states[f"slurmd {name}"]:
                self.start_node(name)

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons and their children."""
        if self.is_up():
            self._cancel_jobs()
        for path in (self.folder / "run").glob("slurmd.*.pid"):
            self._end(path, "slurmd")
        self._kill_leftovers()
        self._end(self.folder / "run/slurmctld.pid", "slurmctld")
        self._database().stop()
        self._end(self.folder / "run/munged.pid", "munged")
        release_ports(self.folder)

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers."""
        self.run("slurmctld", "-f", str(self.conf))
        wait_until(self.is_up, _READY_S, f"slurmctld does not answer, see {self.folder}/log,")

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        (self.folder / "spool" / name).mkdir(parents=True, exist_ok=True)
        self.run("slurmd", "-f", str(self.conf), "-N", name)

    def kill(self, daemon: str, node: str | None = None) -> None:
        """Kill munged, slurmctld, slurmdbd, or the slurmd of a node, and wait for its end."""
        path = self.folder / "run" / (f"slurmd.{node}.pid" if node else f"{daemon}.pid")
        pid = pid_of(path, daemon, self.folder)
        if pid is None:
            raise ClusterError(f"{daemon} does not run.")
        os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: pid_of(path, daemon, self.folder) is None, _READY_S, f"{daemon} still runs"
        )

    def is_up(self) -> bool:
        """Return True if the controller answers."""
        if not self.conf.is_file() or self._controller_pid() is None:
            return False
        try:
            return "is UP" in self.run("scontrol", "ping", check=False)
        except ClusterError:
            return False

    def states(self) -> dict[str, bool]:
        """Return for every daemon whether it runs."""
        run = self.folder / "run"
        found = {"munged": _munge_pid(self.folder) is not None}
        if self.options.accounting:
            found |= self._database().states()
        found["slurmctld"] = self._controller_pid() is not None
        for name in self.node_names:
            pid = pid_of(run / f"slurmd.{name}.pid", "slurmd", self.folder)
            found[f"slurmd {name}"] = pid is not None
        return found

    def run(self, *command: str, check: bool = True, timeout_s: float = 30) -> str:
        """Run a command against this cluster and return its output.

        Raises:
            ClusterError: it fails (with `check`) or takes too long.
        """
        return run_command(command, self.environment, check, timeout_s)

    def _check(self) -> None:
        if os.geteuid() != 0:
            raise ConfigError("A test cluster needs root: slurmd starts jobs as their user.")
        if len(str(self.folder)) > _MAX_PATH:
            raise ConfigError(
                f"{self.folder} is too long for a socket's path; at most {_MAX_PATH} characters."
            )
        commands = (*_COMMANDS, *(_ACCOUNTING_COMMANDS if self.options.accounting else ()))
        path = self.environment["PATH"]
        if missing := [name for name in commands if shutil.which(name, path=path) is None]:
            packages = PACKAGES + (f" {ACCOUNTING_PACKAGES}" if self.options.accounting else "")
            raise ConfigError(
                f"There is no {', '.join(missing)} here: apt-get install --no-install-recommends "
                f"{packages}"
            )

    def _saved_options(self) -> ClusterOptions:
        path = self.folder / "options.json"
        return read_typed(path, ClusterOptions) if path.is_file() else ClusterOptions()

    def _write_configuration(
        self, controller_port: int, database_port: int, node_ports: Sequence[int]
    ) -> None:
        templates = Environment(
            loader=PackageLoader("slurm.testcluster"),
            undefined=StrictUndefined,
            trim_blocks=True,
            keep_trailing_newline=True,
        )
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
            text = templates.get_template(f"{name}.j2").render(
                folder=self.folder,
                options=self.options,
                devices=FAKE_GPUS[: self.options.gpus],
                controller_port=controller_port,
                database_port=database_port,
                node_ports=node_ports,
            )
            (self.folder / "etc" / name).write_text(text)
        (self.folder / "etc/slurmdbd.conf").chmod(0o600)
        (self.folder / "env.sh").write_text(f"export SLURM_CONF={self.conf}\n")

    def _start_munge(self) -> None:
        munge, log = self.folder / "munge", self.folder / "log"
        key, socket = munge / "munge.key", munge / "munge.socket"
        if not key.is_file():
            key.touch(mode=0o600)
            key.write_bytes(secrets.token_bytes(128))
        for path in munge.glob("munge.socket*"):
            path.unlink()
        self.run(
            "munged",
            f"--socket={socket}",
            f"--key-file={key}",
            f"--log-file={log}/munged.log",
            f"--pid-file={self.folder}/run/munged.pid",
            f"--seed-file={munge}/munged.seed",
        )
        wait_until(
            lambda: "MUNGE:" in self.run("munge", "-n", "-S", str(socket), check=False),
            10,
            f"munged does not answer, see {log}/munged.log,",
        )

    def _wait_for_nodes(self) -> None:
        started = time.monotonic()
        while waiting := self._nodes_not_ready():
            if time.monotonic() - started > _READY_S:
                raise ClusterError(
                    f"Nodes are not ready: {', '.join(waiting)}; see {self.folder}/log."
                )
            # A node that died and came back may still be marked down.
            if time.monotonic() - started > 3:
                for name in waiting:
                    self.run("scontrol", "update", f"nodename={name}", "state=resume", check=False)
            time.sleep(0.1)

    def _nodes_not_ready(self) -> list[str]:
        lines = self.run("sinfo", "-h", "-N", "-p", "gpu", "-o", "%N %T", check=False).splitlines()
        states = dict(line.split() for line in lines if len(line.split()) == 2)
        return [name for name in self.node_names if states.get(name) not in _READY]

    def _cancel_jobs(self) -> None:
        with contextlib.suppress(ClusterError):
            if jobs := set(self.run("squeue", "-h", "-o", "%A").split()):
                self.run("scancel", "--full", *jobs, check=False)
                self.run("scancel", *jobs, check=False)
                wait_until(lambda: not self.run("squeue", "-h", "-o", "%A").split(), 15, "Jobs run")

    def _kill_leftovers(self) -> None:
        """Kill steps and jobs that outlived the slurmd that started them."""
        for pid in processes_with(f"SLURM_CONF={self.conf}"):
            if name_of(pid) == "slurmstepd" or has_variable(pid, "SLURM_JOB_ID"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _end(self, pid_file: Path, name: str) -> None:
        if pid := pid_of(pid_file, name, self.folder):
            end(pid)
        pid_file.unlink(missing_ok=True)

    def _controller_pid(self) -> int | None:
        return pid_of(self.folder / "run/slurmctld.pid", "slurmctld", self.folder)

    def _database(self) -> AccountingDatabase:
        return AccountingDatabase(self.folder, self.environment)


def _munge_pid(folder: Path) -> int | None:
    return pid_of(folder / "run/munged.pid", "munged", folder)
