"""Accounting of a test cluster: MariaDB and slurmdbd."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slurm.testcluster.processes import end, pid_of, run_command, wait_until

_READY_S = 60
ACCOUNT = "research"  # the only account; root's default


class AccountingDatabase:
    """The daemons behind sacct: mariadbd and slurmdbd.

    Args:
        folder: the cluster's folder.
        environment: variables under which SLURM's commands reach the cluster.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._socket = folder / "run/mysql.sock"
        self._environment = {**environment, "MYSQL_UNIX_PORT": str(self._socket)}

    def start(self) -> None:
        """Start the daemons that do not run; create the database on the first start."""
        log, states = self._folder / "log", self.states()
        if not (self._folder / "db/mysql").is_dir():
            self._make_database()
        if not states["mariadbd"]:
            self._start_database(log)
        wait_until(self._database_answers, _READY_S, f"mariadbd does not answer, see {log},")
        if not states["slurmdbd"]:
            self._run("slurmdbd")
        wait_until(self._slurmdbd_answers, _READY_S, f"slurmdbd does not answer, see {log},")
        if not self._run("sacctmgr", "-n", "list", "cluster", "format=cluster").split():
            self._run("sacctmgr", "-i", "add", "cluster", "throwaway")
            self._run("sacctmgr", "-i", "add", "account", ACCOUNT)
            self._run("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")

    def stop(self) -> None:
        """Stop both daemons."""
        for name in ("slurmdbd", "mariadbd"):
            if pid := self._pid(name):
                end(pid)
            (self._folder / f"run/{name}.pid").unlink(missing_ok=True)

    def states(self) -> dict[str, bool]:
        """Return for each daemon whether it runs."""
        return {name: self._pid(name) is not None for name in ("mariadbd", "slurmdbd")}

    def _make_database(self) -> None:
        data = self._folder / "db"
        data.mkdir(parents=True, exist_ok=True)
        self._run(
            "mariadb-install-db",
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=root",
            "--innodb-flush-method=nosync",
            timeout_s=120,
        )

    def _start_database(self, log: Path) -> None:
        self._run(
            "setsid",
            "--fork",
            "sh",
            "-c",
            f'exec mariadbd "$@" > {log}/mariadbd.log 2>&1',
            "mariadbd",
            "--no-defaults",
            "--user=root",
            f"--datadir={self._folder}/db",
            f"--socket={self._socket}",
            "--skip-networking",
            f"--pid-file={self._folder}/run/mariadbd.pid",
            "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-lock-wait-timeout=900",
        )

    def _pid(self, name: str) -> int | None:
        return pid_of(self._folder / f"run/{name}.pid", name, self._folder)

    def _database_answers(self) -> bool:
        ping = ("mariadb-admin", "--no-defaults", f"--socket={self._socket}", "ping")
        return "is alive" in self._run(*ping, check=False)

    def _slurmdbd_answers(self) -> bool:
        return "error" not in self._run("sacctmgr", "-n", "list", "cluster", check=False)

    def _run(self, *command: str, check: bool = True, timeout_s: float = 30) -> str:
        return run_command(command, self._environment, check, timeout_s)
