"""The demo: a tiny sweep on a test cluster of virtual nodes, up to the leaderboard.

It survives the death of jobs and of daemons: daemons are restarted, and `resume` submits the work
that failed or was lost.
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

from harness.core.errors import ClusterError
from slurm import commands
from slurm.status.state import read_state
from slurm.status.verdicts import Verdict
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.options import ClusterOptions

PROFILE = """\
# Profile of the demo: every task takes a whole virtual node.
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
    "backbone=street,street_window",
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
    """Run the demo in runs/<name> and return the exit code.

    Raises:
        ClusterError: the cluster cannot be started, or the sweep does not end.
    """
    store = Path("runs") / name
    with throwaway_cluster() as cluster, tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.yaml"
        site.write_text(PROFILE)
        print(
            f"A cluster of 4 virtual nodes. To watch it from another shell:\n"
            f"  export SLURM_CONF={cluster.conf}\n"
            f"  python -m harness status {store.absolute()}",
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
    """Run a cluster in a temporary folder, with SLURM_CONF set for this process."""
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
    """Wait until no task is pending or running; restart daemons and release tasks meanwhile."""
    shown, end = "", time.monotonic() + _WAIT_S
    while True:
        if time.monotonic() > end:
            raise ClusterError(f"The demo is not over after {_WAIT_S / 60:.0f} minutes.")
        if dead := [daemon for daemon, runs in cluster.states().items() if not runs]:
            print(f"{', '.join(dead)} died; restarting", flush=True)
            with contextlib.suppress(ClusterError):  # tried again in the next round
                cluster.start()
        state = read_state(store.absolute())
        if state.held_tasks:
            print(f"SLURM could not launch {', '.join(state.held_tasks)}; retrying", flush=True)
            with contextlib.suppress(ClusterError):  # tried again in the next round
                commands.release(state.held_tasks)
        active = state.with_verdict(Verdict.pending, Verdict.running, Verdict.unknown)
        text = f"{len(state.shards) - len(active)} of {len(state.shards)} tasks have ended"
        if text != shown:
            print(shown := text, flush=True)
        if not active:
            return
        time.sleep(_LOOK_EVERY_S)


def _harness(cluster: ThrowawayCluster, *arguments: str) -> int:
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, env=cluster.environment, check=False).returncode
