"""What can be known before anything is submitted: a cluster that fits, a folder that works."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import LongtakeError, unknown_name
from slurm import commands
from slurm.planning import Limits

_LOCAL_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")
_LOCAL_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs")
_SHARED_FILE_SYSTEMS = (
    *("nfs", "lustre", "gpfs", "beegfs", "ceph", "fuse", "9p", "cifs", "afs", "panfs", "wekafs"),
    *("virtiofs", "orangefs", "glusterfs"),
)
MAX_SKEW_S = 30.0


def read_limits() -> Limits:
    """What the live cluster allows.

    Raises:
        LongtakeError: there is no SLURM here, or the controller does not answer.
    """
    config, partitions = commands.cluster_limits(), commands.partitions()
    default = [name for name, parts in partitions.items() if parts.get("Default") == "YES"]
    return Limits(
        max_array_size=int(config.get("MaxArraySize", "1001")),
        max_jobs=int(config.get("MaxJobCount", "10000")),
        max_time_min={
            name: commands.minutes(parts.get("MaxTime", "")) for name, parts in partitions.items()
        },
        default_partition=default[0] if default else None,
    )


def check_partitions(profile: SlurmProfile, limits: Limits) -> None:
    """Refuse a partition that the cluster doesn't have.

    Raises:
        LongtakeError: with the nearest one; or no default where none was named.
    """
    stages = (profile.generate, profile.evaluate, profile.report)
    for name in (profile.partition, *(stage.partition for stage in stages)):
        for part in (name or "").split(","):
            if part and part not in limits.max_time_min:
                raise unknown_name("partition", part, limits.max_time_min)
    if profile.partition is None and limits.default_partition is None:
        known = ", ".join(limits.max_time_min)
        raise LongtakeError(
            f"This cluster has no default partition: executor.slurm.partition=..., one of {known}."
        )


def check_scripts(scripts: Sequence[str]) -> None:
    """Ask the controller whether it would take these jobs.

    Raises:
        LongtakeError: it would not: account, qos, or a request that no node can meet.
    """
    for script in scripts:
        commands.test_only(script)


def check_store(store: Path) -> None:
    """Make sure that nodes can share the run folder with this machine.

    Raises:
        LongtakeError: it can't be written to, lies on this machine alone, or its clock is off.
    """
    store = store.resolve()
    try:
        skew_s = clock_skew_s(store)
    except OSError as error:
        raise LongtakeError(f"The run folder {store} can't be written to: {error}.") from error
    if abs(skew_s) > MAX_SKEW_S:
        raise LongtakeError(
            f"The clock of {socket.gethostname()} is {skew_s:.0f} s ahead of that of the file "
            f"system of {store}; set it (timedatectl status), or times can't be compared."
        )
    if not nodes_are_here() and (where := _node_local(store)):
        raise LongtakeError(
            f"The run folder {store} is {where}, which other nodes can't see: name one on a shared "
            "file system, runs=/shared/runs."
        )


def clock_skew_s(folder: Path) -> float:
    """Seconds that this machine's clock is ahead of the file system's.

    Raises:
        OSError: the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".clock-{socket.gethostname()}-{time.time_ns()}"
    try:
        probe.write_text("")
        return time.time() - probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def nodes_are_here() -> bool:
    """Whether all nodes of the cluster are this very machine.

    Raises:
        LongtakeError: the controller does not answer.
    """
    here = {"localhost", "127.0.0.1", socket.gethostname()}
    addresses = set()
    for line in commands.run(["scontrol", "show", "node", "--oneliner"]).splitlines():
        properties = dict(part.partition("=")[::2] for part in line.split() if "=" in part)
        addresses.add(properties.get("NodeAddr", ""))
    return addresses <= here


def _node_local(store: Path) -> str:
    """Why a folder can only be seen from this machine; empty if it may be shared."""
    mounts = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        mounts[Path(place.replace("\\040", " "))] = kind
    mount = max((m for m in mounts if store.is_relative_to(m)), key=lambda m: len(m.parts))
    if mounts[mount].startswith(_SHARED_FILE_SYSTEMS):
        return ""
    local = [folder for folder in _LOCAL_FOLDERS if store.is_relative_to(folder)]
    if local:
        return f"under {local[0]}"
    return f"on {mounts[mount]}" if mounts[mount] in _LOCAL_FILE_SYSTEMS else ""
