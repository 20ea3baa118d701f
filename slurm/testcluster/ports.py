"""Ports on loopback, so that clusters side by side never clash.

A controller may be down for a while, its ports free: a cluster therefore keeps its ports as long as
its munge daemon lives.
"""

from __future__ import annotations

import fcntl
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.errors import LongtakeError

MOST_PORTS = 50
_FIRST, _LAST = 16800, 30000


@contextmanager
def reserved_ports(folder: Path, count: int, in_use: Callable[[Path], bool]) -> Iterator[range]:
    """A run of free ports for the cluster in `folder`, held until the block ends.

    What ended up in the block must make `in_use(folder)` true, or the ports are free again.

    Args:
        folder: the cluster.
        count: how many ports, at most MOST_PORTS.
        in_use: whether the cluster in a folder is up.

    Raises:
        LongtakeError: no ports are free.
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
    raise LongtakeError(f"No {count} free ports between {_FIRST} and {_LAST}.")


def release_ports(folder: Path) -> None:
    """Forget the reservation of a cluster."""
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
