"""A working folder with a test cluster."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.__main__ import main
from slurm.status.state import SweepState, read_state
from slurm.status.verdicts import ShardState, Verdict
from slurm.submission import JobStage
from slurm.testcluster.cluster import ThrowawayCluster
from tests.harness.support import video_hashes

HERE = Path(__file__).parent
PROFILE = """
kind: slurm
slurm:
  partition: gpu
  latent_s: 1.0
  shard_min: 0.5
  signal_delay_s: 20
  generate: {gpus: 1, cpus: 1, mem_gib: 0.9, time_min: 5}
  evaluate: {cpus: 1, mem_gib: 0.9, time_min: 5}
  report: {cpus: 1, mem_gib: 0.9, time_min: 5}
"""
# Five blocks, 15 latent frames; with shard_min 0.5 two units to a shard.
UNITS = (
    "executor=site.yaml",
    "device=cpu",
    "backbone.denoising_step_list=[1000]",
    "method=obstacle:Obstacle",
    "prompts.num=1",
    "duration=3.75",
    "save_every_blocks=1",
    "suite=[]",
)
PATIENCE_S = 120


def is_over(state: SweepState) -> bool:
    """Return True if no task is pending or running."""
    return not state.with_verdict(Verdict.pending, Verdict.running)


@dataclass
class Site:
    """Runs commands against a cluster, in a folder of its own.

    The folder has an `eval/` and a `slurm/`, as folders of researchers may: they must not be taken
    for ours, neither here nor on a node.


    Attributes:
        folder: where commands run.
        cluster: the cluster.
        name: name of the sweep.
    """

    folder: Path
    cluster: ThrowawayCluster
    name: str = "main"
    printed: str = field(default="", init=False)

    def __post_init__(self) -> None:
        shutil.copy(HERE / "obstacle.py", self.folder)
        (self.folder / "site.yaml").write_text(PROFILE)
        for name in ("eval", "slurm"):
            (self.folder / name).mkdir()
            (self.folder / name / "__init__.py").write_text("raise ImportError('not ours')\n")

    @property
    def store(self) -> Path:
        return self.folder / "runs" / self.name

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Work in the folder, with SLURM_CONF of the cluster."""
        before, conf = Path.cwd(), os.environ.get("SLURM_CONF")
        os.chdir(self.folder)
        os.environ["SLURM_CONF"] = str(self.cluster.conf)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.pop("SLURM_CONF")
            if conf is not None:
                os.environ["SLURM_CONF"] = conf

    def harness(self, *arguments: str) -> int:
        """Run a command and return its exit code; keep what it prints in `printed`."""
        out = io.StringIO()
        with self.inside(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main(arguments)
        self.printed = out.getvalue()
        return code

    def sweep(self, *arguments: str) -> None:
        """Submit a sweep without a report."""
        code = self.harness("sweep", "--no-report", *UNITS, f"name={self.name}", *arguments)
        assert code == 0, self.printed

    def on_store(self, command: str, *arguments: str) -> int:
        """Run status, resume, cancel or logs from another folder."""
        return self.harness(command, f"sweep={self.store}", *arguments)

    def state(self) -> SweepState:
        with self.inside():
            return read_state(self.store)

    def shards(self, stage: JobStage = JobStage.generate) -> list[ShardState]:
        return [shard for shard in self.state().shards if shard.shard.stage is stage]

    def status(self) -> str:
        """Return what `status` prints."""
        self.on_store("status")
        return self.printed

    def wait_until_over(self) -> SweepState:
        """Wait until no task is pending or running."""
        return self.wait_for(is_over)

    def wait_for(self, condition: Callable[[SweepState], object]) -> SweepState:
        """Wait until the state of the sweep meets a condition."""
        end = time.monotonic() + PATIENCE_S
        while not condition(state := self.state()):
            assert time.monotonic() < end, self._report()
            time.sleep(0.3)
        return state

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, without asking SLURM."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, self._report()
            time.sleep(0.1)

    def wait_until_held(self) -> None:
        """Wait until a task is held up; it has saved all blocks before."""
        self.wait_until((self.folder / "held").exists)

    def slurm(self, *command: str) -> str:
        return self.cluster.run(*command)

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.store.glob("slurm/*/submitit/*_log.err"))

    def hashes(self) -> dict[str, str]:
        return video_hashes(self.store)

    def hold(self, frame: int, seed: str = "*", node: str = "*") -> None:
        """Hold up units from a latent frame on, until `release` or until SLURM stops the task."""
        (self.folder / "held").unlink(missing_ok=True)
        path = self.folder / "hold"
        path.with_suffix(".new").write_text(f"{frame} {seed} {node}")
        path.with_suffix(".new").rename(path)

    def release(self) -> None:
        """End the hold-up."""
        (self.folder / "hold").unlink(missing_ok=True)

    def fault(self, text: str | None) -> None:
        """Make units trip, "raise", "exit" or "memory", with "raise 1" only those of seed 1."""
        path = self.folder / "fault"
        path.unlink(missing_ok=True)
        if text:
            path.write_text(text)

    def _report(self) -> str:
        self.on_store("status")
        return f"{self.printed}\n{self.cluster.run('squeue', '-r', '-t', 'all', check=False)}"


@dataclass(frozen=True)
class Struck:
    """Two sweeps on one cluster: one exceeds its time limit, the other loses its node."""

    limited: Site
    bereft: Site
    node: str
