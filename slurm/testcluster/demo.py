"""A tiny sweep over the virtual nodes of a throw-away cluster, ending in the leaderboard.

Whatever dies on the way, a job or one of the cluster's daemons, is taken up again: daemons are
started anew, and `resume` submits what failed or was lost.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.errors import LongtakeError
from slurm import commands
from slurm.state import Verdict, read_state
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.options import ClusterOptions

PROFILE = """\
# The profile of the demo: every task takes a virtual node for itself.
kind: slurm
slurm:
  partition: gpu
  exclusive: true
  latent_s: 0.5
  signal_delay_s: 60
  generate: {gpus: 1, cpus: 1, mem_gib: 1.5, time_min: 10}
  evaluate: {cpus: 1, mem_gib: 1.5, time_min: 10}
  report: {cpus: 1, mem_gib: 1.5, time_min: 10}
"""
SWEEP = (
    "backbone=tiny_short,tiny_long",
    "method=sliding_window,rag",
    "backbone.denoising_step_list=[1000,700,400,150]",
    "prompts.num=2",
    "duration=9",
    "device=cpu",
)
_ROUNDS = 5
_LOOK_EVERY_S = 3.0
_WAIT_S = 900.0


def run_demo(name: str, sweep: Sequence[str] = SWEEP) -> int:
    """Run the demo in runs/<name>; returns the exit code.

    Raises:
        LongtakeError: the cluster can't be started, or the sweep doesn't end.
    """
    store = Path("runs") / name
    with throwaway_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.yaml"
        site.write_text(PROFILE)
        print(
            f"A cluster of 4 virtual nodes. To look in from another shell:\n"
            f"  export SLURM_CONF={cluster.conf}\n"
            f"  python -m harness status sweep={store.absolute()}",
            flush=True,
        )
        code = _harness(cluster, "sweep", f"executor={site}", f"name={name}", *sweep)
        if code != 0:
            return code
        for _ in range(_ROUNDS):
            _wait(cluster, store)
            if _harness(cluster, "status", f"sweep={store}") == 0:
                return 0
            _harness(cluster, "resume", "--again", f"sweep={store}")
    return 1


@contextlib.contextmanager
def throwaway_cluster() -> Iterator[ThrowawayCluster]:
    """A cluster in a temporary folder, SLURM_CONF set for this process; gone afterwards."""
    before = os.environ.get("SLURM_CONF")
    with tempfile.TemporaryDirectory(prefix="longtake-slurm-") as folder:
        cluster = ThrowawayCluster(Path(folder), ClusterOptions(accounting=False))
        try:
            cluster.start()
            os.environ["SLURM_CONF"] = str(cluster.conf)
            yield cluster
        finally:
            cluster.stop()
            os.environ.pop("SLURM_CONF", None)
            if before is not None:
                os.environ["SLURM_CONF"] = before


def _wait(cluster: ThrowawayCluster, store: Path) -> None:
    """Wait until nothing waits or runs, and start anew what dies of the cluster."""
    shown, end = "", time.monotonic() + _WAIT_S
    while True:
        if time.monotonic() > end:
            raise LongtakeError(f"The demo is not over after {_WAIT_S / 60:.0f} minutes.")
        if dead := [daemon for daemon, runs in cluster.states().items() if not runs]:
            print(f"{', '.join(dead)} died; starting it again", flush=True)
            with contextlib.suppress(LongtakeError):  # tried again below
                cluster.start()
        state = read_state(store.absolute())
        if state.held_tasks:
            print(f"SLURM could not launch {', '.join(state.held_tasks)}; once more", flush=True)
            with contextlib.suppress(LongtakeError):  # tried again below
                commands.release(state.held_tasks)
        active = state.with_verdict(Verdict.pending, Verdict.running, Verdict.unknown)
        text = f"{len(state.shards) - len(active)} of {len(state.shards)} tasks are over"
        if text != shown:
            print(shown := text, flush=True)
        if not active:
            return
        time.sleep(_LOOK_EVERY_S)


def _harness(cluster: ThrowawayCluster, *arguments: str) -> int:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, env=cluster.environment, check=False).returncode
