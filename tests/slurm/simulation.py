"""A big sweep without a cluster: `python -m tests.slurm.simulation 100000` measures each step.

SLURM's commands are left out; everything of ours runs: planning, shard files, the state read back
with three quarters of the units done, some failed and the rest waiting.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from rich.console import Console

from harness.cli.cluster import submit_work
from harness.config import SweepConfig, load_sweep
from harness.files import write_json
from harness.shards import Stage
from harness.store import RunStore
from harness.sweep import make_shard
from harness.units import Unit, plan_units
from slurm import checks, commands, dispatch
from slurm.campaign import Campaign
from slurm.commands import TaskState
from slurm.planning import Limits
from slurm.show import render
from slurm.state import SweepState, read_state
from slurm.submission import JobStage, submissions
from slurm.work import asked_for

NUM_ROWS = 32  # two methods, sixteen prompts


def config_of(num_units: int, runs: Path) -> SweepConfig:
    """A sweep of about so many units, half an hour of work to a shard."""
    seeds = ",".join(map(str, range(max(1, num_units // NUM_ROWS))))
    return load_sweep(
        [
            "executor=slurm",
            "executor.slurm.latent_s=0.5",
            "method=sliding_window,rag",
            f"seed=[{seeds}]",
            "duration=30",
            "device=cpu",
            f"runs={runs}",
        ]
    )


def submit(config: SweepConfig, units: list[Unit]) -> None:
    """Submit, with a cluster that takes everything."""
    settings = config.settings
    work = asked_for(
        units,
        settings.duration,
        settings.suite,
        make_shard(settings, Stage.generate),
        make_shard(settings, Stage.evaluate),
    )
    campaign = Campaign(
        dispatch.Dispatcher(settings.store.absolute(), settings.executor.slurm, ("sweep",), "/")
    )
    ids = iter(range(1, 10**6))
    limits = Limits(1001, 10**6, {"gpu": None}, "gpu")
    with (
        mock.patch.object(checks, "read_limits", lambda: limits),
        mock.patch.object(checks, "check_scripts", lambda scripts: None),
        mock.patch.object(dispatch, "submit", lambda *_: str(next(ids))),
        mock.patch.object(dispatch.Dispatcher, "trial_scripts", lambda *_: []),
        mock.patch.object(commands, "queue", lambda: []),
    ):
        submit_work(campaign, work, len(units), False, Console(quiet=True))


def finish(store: Path, units: Sequence[Unit]) -> list[TaskState]:
    """Write results of three quarters of the units; one in a hundred of the rest failed."""
    (folder,) = submissions(store)
    done = {unit.id for place, unit in enumerate(units) if place % 4}
    for place, unit in enumerate(units):
        unit_dir = RunStore(store).unit_dir(unit.id)
        unit_dir.mkdir(parents=True)
        if unit.id in done:
            (unit_dir / "record.json").write_text("{}")
            scores = RunStore(store).scores_path("offline", unit.id)
            scores.parent.mkdir(parents=True, exist_ok=True)
            scores.write_text("{}")
        elif place % 400 == 0:
            write_json(unit_dir / "failure.json", {"error": "RuntimeError: no plan today"})
    return [
        TaskState(str(job.job_id), index, job.name, state)
        for job in folder.submission.jobs
        for index in range(job.num_tasks)
        for state in ["RUNNING" if index < 16 and job.stage is JobStage.generate else "PENDING"]
    ]


def read(store: Path, queued: list[TaskState]) -> SweepState:
    """Read the state, with SLURM's answers given."""
    with (
        mock.patch.object(commands, "queue", lambda: queued),
        mock.patch.object(commands, "accounting", lambda ids: []),
    ):
        return read_state(store)


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


def main(num_units: int) -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="longtake-scale-"))
    try:
        with _measured("units from the command line"):
            config = config_of(num_units, folder)
            units = plan_units(config)
        with _measured("plan, shard files, submit"):
            submit(config, units)
        store = config.settings.store
        with _measured("(sweep.yaml, units.jsonl)"):
            RunStore(store).add_command(units, ["sweep"], config.resolved)
        queued = finish(store, units)
        with _measured("status"):
            state = read(store, queued)
            Console(file=sys.stderr).print(render(state))
        print(f"{len(units)} units, {len(state.shards)} shards")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]))
