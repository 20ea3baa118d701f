"""A big sweep without a cluster: `python -m tests.slurm.simulation 100000` measures each step.

A second argument names the suite: finding one that is a metric of its own is dear.

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

from eval.scoring.suite import DEFAULT_SUITE, find_suite
from harness.cli.submit import submit_work, work_of
from harness.cli.terminal import Terminal
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.files import write_json
from harness.store.run_store import RunStore
from harness.store.units import Unit, plan_units
from slurm import checks, commands, dispatch
from slurm.campaign import Campaign
from slurm.commands import TaskState
from slurm.planning import Limits
from slurm.show import render
from slurm.state import SweepState, read_state
from slurm.submission import JobStage, submissions

NUM_ROWS = 32  # two methods, sixteen prompts


def config_of(num_units: int, runs: Path, *settings: str) -> SweepConfig:
    """A sweep of about so many units, half an hour of work to a shard."""
    return load_sweep(arguments_of(num_units, runs, *settings))


def arguments_of(num_units: int, runs: Path, *settings: str) -> list[str]:
    """The command line of `config_of`."""
    seeds = ",".join(map(str, range(max(1, num_units // NUM_ROWS))))
    device = () if any(item.startswith("device=") for item in settings) else ("device=cpu",)
    return [
        "executor=slurm",
        "executor.slurm.latent_s=0.5",
        "method=sliding_window,rag",
        f"seed=[{seeds}]",
        "duration=30",
        f"runs={runs}",
        *device,
        *settings,
    ]


def submit(config: SweepConfig, units: list[Unit]) -> None:
    """Submit, with a cluster that takes everything."""
    settings = config.settings
    work = work_of(units, settings)
    campaign = Campaign(
        dispatch.Dispatcher(settings.store.absolute(), settings.executor.slurm, ("sweep",), "/")
    )
    with accepting(), mock.patch.object(commands, "queue", lambda: []):
        submit_work(campaign, work, len(units), False, Terminal(Console(quiet=True)))


@contextmanager
def accepting() -> Iterator[None]:
    """A cluster that takes every job."""
    ids = iter(range(1, 10**6))
    limits = Limits(1001, 10**6, {"gpu": None}, "gpu")
    with (
        mock.patch.object(checks, "read_limits", lambda: limits),
        mock.patch.object(checks, "check_store", lambda store: None),
        mock.patch.object(checks, "check_scripts", lambda scripts: None),
        mock.patch.object(dispatch, "submit", lambda *_: str(next(ids))),
        mock.patch.object(dispatch.Dispatcher, "trial_scripts", lambda *_: []),
    ):
        yield


def finish(store: Path, units: Sequence[Unit], suite: str = DEFAULT_SUITE) -> list[TaskState]:
    """Write results of three quarters of the units; one in a hundred of the rest failed."""
    (folder,) = submissions(store)
    folder_name = find_suite(suite).name
    done = {unit.id for place, unit in enumerate(units) if place % 4}
    for place, unit in enumerate(units):
        unit_dir = RunStore(store).unit_dir(unit.id)
        unit_dir.mkdir(parents=True)
        if unit.id in done:
            (unit_dir / "record.json").write_text("{}")
            scores = RunStore(store).scores_path(folder_name, unit.id)
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


def main(num_units: int, suite: str = DEFAULT_SUITE) -> None:
    """Measure and print."""
    folder = Path(tempfile.mkdtemp(prefix="longtake-scale-"))
    try:
        with _measured("units from the command line"):
            config = config_of(num_units, folder, f"suite={suite}")
            units = plan_units(config)
        with _measured("plan, shard files, submit"):
            submit(config, units)
        store = config.settings.store
        with _measured("(sweep.yaml, units.jsonl)"):
            RunStore(store).add_command(units, ["sweep"], config.resolved)
        queued = finish(store, units, suite)
        with _measured("status"):
            state = read(store, queued)
            Console(file=sys.stderr).print(render(state))
        print(f"{len(units)} units, {len(state.shards)} shards")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
