"""A big sweep without a cluster: `python -m tests.slurm.simulation 100000` measures each step.

A second argument names the suite; finding one that is a single metric is expensive.

Only SLURM's own commands are replaced. The state is read back with three quarters of the units
done, of at most 100,000, some failed and the rest pending; then nothing is left in the queue, and
all that is missing is submitted again. Workers would have written the index, which a first look at
what is left does here. Files are made in TMPDIR; docs/benchmarks.md has results.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rich.console import Console

from eval.scoring.suite import DEFAULT_SUITE, Suite, find_suite
from harness.cli.submit import submit_work, work_of
from harness.cli.terminal import Terminal
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.files import write_json
from harness.store.run_store import RunStore
from harness.store.units import Unit, plan_units
from slurm.campaign import Campaign
from slurm.commands import TaskState
from slurm.plan.missing import missing_of_submissions
from slurm.status.state import read_state
from slurm.status.table import render
from slurm.submission import JobStage, SubmissionFolder, submissions
from slurm.submit.dispatch import Dispatcher
from tests.reports import synthetic
from tests.slurm.fake_slurm import FakeSlurm

NUM_ROWS = 32  # two methods, sixteen prompts
MOST_DONE = 100_000  # making files takes longest, and is not what is measured


@dataclass(frozen=True)
class Sweep:
    """A sweep, submitted or not.

    Attributes:
        config: its configuration.
        units: its units.
    """

    config: SweepConfig
    units: list[Unit]

    @property
    def store(self) -> Path:
        """The sweep's folder, absolute."""
        return self.config.settings.store.absolute()

    @property
    def folders(self) -> list[SubmissionFolder]:
        """Submissions so far."""
        return submissions(self.store)

    def submit(self) -> None:
        """Submit what is missing and not active to the cluster on PATH."""
        settings = self.config.settings
        work = work_of(self.units, settings)
        campaign = Campaign(Dispatcher(self.store, settings.executor.slurm, ("sweep",), "/"))
        submit_work(campaign, work, len(self.units), False, Terminal(Console(quiet=True)))

    def list_units(self) -> None:
        """Write sweep.yaml and units.jsonl."""
        RunStore(self.store).add_command(self.units, ["sweep"], self.config.resolved)


def sweep_of(num_units: int, runs: Path, *settings: str) -> Sweep:
    """Return a sweep of about `num_units`, with half an hour of work per shard."""
    config, units = _planned(num_units, settings)
    return Sweep(replace(config, settings=replace(config.settings, runs=str(runs))), units)


def submitted(num_units: int, runs: Path, *settings: str) -> Sweep:
    """Submit a sweep of about `num_units` to the cluster on PATH."""
    sweep = sweep_of(num_units, runs, *settings)
    sweep.submit()
    sweep.list_units()
    return sweep


@cache
def _planned(num_units: int, settings: Sequence[str]) -> tuple[SweepConfig, list[Unit]]:
    config = load_sweep(arguments_of(num_units, Path("runs"), *settings))
    return config, plan_units(config)


def arguments_of(num_units: int, runs: Path, *settings: str) -> list[str]:
    """Return the command line of `sweep_of`."""
    device = () if any(item.startswith("device=") for item in settings) else ("device=cpu",)
    return [
        "executor=slurm",
        "executor.slurm.latent_s=0.5",
        "method=sliding_window,rag",
        f"seed=range({max(1, num_units // NUM_ROWS)})",
        "duration=30",
        f"runs={runs}",
        *device,
        *settings,
    ]


def finish(sweep: Sweep, suite: str = DEFAULT_SUITE) -> list[TaskState]:
    """Write results of three quarters of the first units; return the queue of all tasks.

    Of the units without results one in a hundred failed.
    """
    store, units = RunStore(sweep.store), sweep.units[:MOST_DONE]
    (folder,) = sweep.folders
    found = find_suite(suite)
    done = {unit.id for place, unit in enumerate(units) if place % 4}
    store.suite_dir(found.name).mkdir(parents=True)
    for place, unit in enumerate(units):
        unit_dir = store.unit_dir(unit.id)
        unit_dir.mkdir(parents=True)
        if unit.id in done:
            write_result(store, unit, found)
        elif place % 400 == 0:
            write_json(unit_dir / "failure.json", {"error": "RuntimeError: no plan today"})
    return [
        TaskState(str(job.job_id), index, job.name, state)
        for job in folder.submission.jobs
        for index in range(job.num_tasks)
        for state in ["RUNNING" if index < 16 and job.stage is JobStage.generate else "PENDING"]
    ]


def write_result(store: RunStore, unit: Unit, suite: Suite) -> None:
    """Write a video of one byte, its record and its scores by a suite of one number."""
    unit_dir = str(store.unit_dir(unit.id))
    with open(f"{unit_dir}/video.mp4", "wb") as file:  # noqa: PTH123 - one of a million
        file.write(b"v")
    os.utime(f"{unit_dir}/video.mp4", ns=(0, 0))
    record = synthetic.record_file("tiny_short", "random", "p0", 0)
    record |= {"unit_id": unit.id, "duration_s": unit.num_latents / 4}
    record["generation"]["num_latents"] = unit.num_latents
    record["video"] |= {"bytes": 1, "mtime_ns": 0}
    num_frames = record["num_frames"] = 4 * unit.num_latents - 3
    scores = synthetic.metric_file("tiny_short", "random", "p0", 0)
    scores |= {
        **{"unit_id": unit.id, "suite": suite.name, "suite_version": suite.version},
        **{"video_sha256": record["video"]["sha256"], "prompt": unit.evaluation_prompts[0]},
        "durations": {f"{record['duration_s']:g}": {"num_frames": num_frames, "clips": [0]}},
    }
    for path, content in (
        (f"{unit_dir}/record.json", record),
        (f"{store.suite_dir(suite.name)}/{unit.id}.json", scores),
    ):
        with open(path, "w") as file:  # noqa: PTH123
            json.dump(content, file)


@contextmanager
def _measured(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{what:<28} {time.perf_counter() - wall:7.2f} s wall {time.process_time() - cpu:7.2f} s "
        f"CPU {peak:7.0f} MiB peak",
        flush=True,
    )


def main(num_units: int, suite: str = DEFAULT_SUITE) -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="longtake-scale-"))
    slurm = FakeSlurm(folder / "bin")
    os.environ["PATH"] = slurm.path
    try:
        with _measured("units from the command line"):
            sweep = sweep_of(num_units, folder, f"suite={suite}")
        with _measured("plan, shard files, submit"):
            sweep.submit()
        with _measured("(sweep.yaml, units.jsonl)"):
            sweep.list_units()
        slurm.queue(finish(sweep, suite))
        with _measured("status"):
            state = read_state(sweep.store)
            Console(file=sys.stderr).print(render(state))
        print(f"{len(sweep.units)} units, {len(state.shards)} shards")
        del state
        slurm.queue([])
        with _measured("what is left, no index yet"):
            missing_of_submissions(sweep.store, sweep.folders)
        with _measured("resume, nothing in the queue"):
            work = missing_of_submissions(sweep.store, sweep.folders)
            campaign = Campaign(
                Dispatcher(sweep.store, sweep.config.settings.executor.slurm, ("resume",), "/")
            )
            submit_work(campaign, work, len(sweep.units), False, Terminal(Console(quiet=True)))
        files = [path for path in (sweep.store / "slurm").rglob("*") if path.is_file()]
        size_mib = sum(path.stat().st_size for path in files) / 2**20
        print(f"{len(files)} files of two submissions, {size_mib:.0f} MiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
