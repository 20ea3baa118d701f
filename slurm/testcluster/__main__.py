"""`python -m slurm.testcluster start|stop|status DIR`, and `demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from harness.core.errors import LongtakeError
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.options import ClusterOptions


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m slurm.testcluster",
        description="A real SLURM cluster on this machine, in one folder, for trials and tests.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start the daemons that do not run; needs root")
    stop = commands.add_parser("stop", help="cancel all jobs and stop all daemons")
    status = commands.add_parser("status", help="list the daemons; exit code 1 if one does not run")
    for command in (start, stop, status):
        command.add_argument("folder", type=Path, metavar="DIR")
    demo = commands.add_parser("demo", help="run a tiny sweep on a temporary cluster of 4 nodes")
    demo.add_argument("--name", default="cluster-demo", help="folder of the sweep, under runs/")
    start.add_argument("--fresh", action="store_true", help="forget the jobs of earlier starts")
    defaults = ClusterOptions()
    for field in fields(ClusterOptions):
        name, default = field.name.replace("_", "-"), getattr(defaults, field.name)
        if isinstance(default, bool):
            start.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=default)
        else:
            start.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    arguments = parser.parse_args(argv)
    try:
        run = {"start": _start, "stop": _stop, "status": _status, "demo": _demo}
        return run[arguments.command](arguments)
    except LongtakeError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _demo(arguments: argparse.Namespace) -> int:
    from slurm.testcluster.demo import run_demo

    return run_demo(arguments.name)


def _start(arguments: argparse.Namespace) -> int:
    options = ClusterOptions(**{f.name: getattr(arguments, f.name) for f in fields(ClusterOptions)})
    cluster = ThrowawayCluster(arguments.folder, options)
    cluster.start(arguments.fresh)
    print(f"ready: {options.nodes} nodes\nexport SLURM_CONF={cluster.conf}")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    ThrowawayCluster(arguments.folder).stop()
    print("stopped")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    states = ThrowawayCluster(arguments.folder).states()
    for daemon, runs in states.items():
        print(f"{daemon:<12} {'runs' if runs else 'does not run'}")
    return 0 if all(states.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
