"""Checks before a submission: a cluster that has what is requested, a run folder to share."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import ClusterError, ConfigError, unknown_name
from slurm import commands
from slurm.clock import MAX_SKEW_S, clock_skew_s
from slurm.plan.limits import Limits

_LOCAL_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")
_LOCAL_FILE_SYSTEMS = ("tmpfs", "ramfs", "devtmpfs")
_SHARED_FILE_SYSTEMS = (
    *("nfs", "lustre", "gpfs", "beegfs", "ceph", "fuse", "9p", "cifs", "afs", "panfs", "wekafs"),
    *("virtiofs", "orangefs", "glusterfs"),
)


def check_partitions(profile: SlurmProfile, limits: Limits) -> None:
    """Refuse partitions that the cluster does not have.

    Raises:
        UnknownName: there is no such partition; names the nearest.
        ConfigError: no partition is named and the cluster has no default.
    """
    stages = (profile.generate, profile.evaluate, profile.report)
    for name in (profile.partition, *(stage.partition for stage in stages)):
        for part in (name or "").split(","):
            if part and part not in limits.max_time_min:
                raise unknown_name("partition", part, limits.max_time_min)
    if profile.partition is None and limits.default_partition is None:
        known = ", ".join(limits.max_time_min)
        raise ConfigError(
            f"This cluster has no default partition: executor.slurm.partition=..., one of {known}."
        )


def check_scripts(scripts: Sequence[str]) -> None:
    """Ask the controller whether it would accept these jobs.

    Raises:
        ConfigError: a job requests something that this cluster does not have.
        ClusterError: a policy of the site forbids a job, or the controller does not answer.
    """
    for script in scripts:
        commands.retrying(lambda script=script: commands.test_only(script))  # type: ignore[misc]


def check_store(store: Path) -> None:
    """Check that nodes can share the run folder with this machine.

    Raises:
        ConfigError: the folder cannot be written to, or is local to this machine.
        ClusterError: the clock of this machine is off, or the controller does not answer.
    """
    store = store.resolve()
    try:
        skew_s = clock_skew_s(store)
    except OSError as error:
        raise ConfigError(f"The run folder {store} cannot be written to: {error}.") from error
    if abs(skew_s) > MAX_SKEW_S:
        raise ClusterError(
            f"The clock of {socket.gethostname()} is {skew_s:.0f} s ahead of the file system of "
            f"{store}, so times cannot be compared; set it (timedatectl status)."
        )
    # A cluster on one machine, as for a try, can use local folders.
    if not nodes_are_here() and (where := _node_local(store)):
        raise ConfigError(
            f"The run folder {store} is {where}, which other nodes cannot see: name one on a "
            "shared file system, runs=/shared/runs."
        )


def nodes_are_here() -> bool:
    """Return True if all nodes of the cluster are this machine.

    Raises:
        ClusterError: the controller does not answer.
    """
    here = {"localhost", "127.0.0.1", socket.gethostname()}
    addresses = set()
    for line in commands.run(["scontrol", "show", "node", "--oneliner"]).splitlines():
        properties = dict(part.partition("=")[::2] for part in line.split() if "=" in part)
        addresses.add(properties.get("NodeAddr", ""))
    return addresses <= here


def _node_local(store: Path) -> str:
    """Return why a folder can only be seen from this machine; empty if it may be shared."""
    mounts = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        mounts[Path(place.replace("\\040", " "))] = kind
    mount = max((m for m in mounts if store.is_relative_to(m)), key=lambda m: len(m.parts))
    # A shared file system may well be mounted below /tmp, so its kind is looked at first.
    if mounts[mount].startswith(_SHARED_FILE_SYSTEMS):
        return ""
    local = [folder for folder in _LOCAL_FOLDERS if store.is_relative_to(folder)]
    if local:
        return f"under {local[0]}"
    return f"on {mounts[mount]}" if mounts[mount] in _LOCAL_FILE_SYSTEMS else ""
