"""Ports on loopback, reserved so that clusters side by side never clash.

A controller may be down for a while with its ports free. A cluster therefore keeps its ports for as
long as its munge daemon runs.
"""

from __future__ import annotations

import fcntl
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import ClusterError

MOST_PORTS = 50
_FIRST, _LAST = 16800, 30000


@contextmanager
def reserved_ports(folder: Path, count: int, in_use: Callable[[Path], bool]) -> Iterator[range]:
    """Reserve consecutive free ports for the cluster in `folder`.

    No other cluster reserves ports until the block ends. Afterwards they stay reserved as long as
    `in_use(folder)` is true.

    Args:
        folder: the cluster.
        count: number of ports, at most MOST_PORTS.
        in_use: tells whether the cluster in a folder is up.

    Raises:
        ClusterError: no ports are free.
    """
    assert count <= MOST_PORTS
    registry = Path(tempfile.gettempdir()) / "longtake-testcluster-ports"
    registry.mkdir(exist_ok=True)
    with (registry / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for first in range(_FIRST, _LAST, MOST_PORTS):
            note = registry / str(first)
            owner = Path(note.read_text()) if note.is_file() else None
            if owner not in (None, folder) and in_use(owner):
                continue
            ports = range(first, first + count)
            if all(map(_is_free, ports)):
                note.write_text(str(folder))
                yield ports
                return
    raise ClusterError(f"No {count} free ports between {_FIRST} and {_LAST}.")


def release_ports(folder: Path) -> None:
    """Release the ports of a cluster."""
    registry = Path(tempfile.gettempdir()) / "longtake-testcluster-ports"
    for note in registry.glob("[0-9]*"):
        if note.read_text() == str(folder):
            note.unlink(missing_ok=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
