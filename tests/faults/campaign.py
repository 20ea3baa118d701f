"""The campaign: many cases side by side, a progress bar, and what failed with its seed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults import inputs, kills, subjects, workspace
from tests.slurm.fake_slurm import FakeSlurm

_KEYS = ("inputs", "kills", "seed", "jobs", "input", "kill")
# Stages whose workers are started as new interpreters take ten times as long.
_SLOW = ("worker", "parent of workers")


@dataclass(frozen=True)
class Case:
    """One case: `kind` is input or kill."""

    kind: str
    seed: int


def main(arguments: Sequence[str]) -> int:
    """Run the cases that the command line asks for; return 1 if one failed."""
    asked = _parse(arguments)
    single = [Case(kind, asked[kind]) for kind in ("input", "kill") if kind in asked]
    seed = asked.get("seed", 0)
    cases = single or [
        Case(kind, seed + place)
        for kind in ("input", "kill")
        for place in range(asked.get(f"{kind}s", 0))
    ]
    # Set before torch is imported; the processes of all cases share the cores.
    os.environ.update(OMP_NUM_THREADS="1", LONGTAKE_THREADS="1", PYTHONPATH=str(workspace.ROOT))
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        os.environ["LONGTAKE_CACHE"] = f"{folder}/cache"
        verdicts = run_cases(cases, Path(folder), asked.get("jobs", os.cpu_count() or 1))
    failed = {case: verdict for case, verdict in verdicts.items() if verdict.problem}
    for case, verdict in failed.items():
        print(f"\n{case.kind}={case.seed}  {verdict.what}\n  {verdict.problem}")
        text = verdict.output if single else "\n".join(verdict.output.splitlines()[-6:])
        print("".join(f"  | {line}\n" for line in text.splitlines()), end="")
    if single and not failed:
        for verdict in verdicts.values():
            print(verdict.what, verdict.output, sep="\n")
    _print_table(verdicts)
    return 1 if failed else 0


def run_cases(cases: Sequence[Case], folder: Path, jobs: int) -> Mapping[Case, inputs.Verdict]:
    """Make the undisturbed working folder, then run each case in a process of its own."""
    console = Console(stderr=True)
    base = folder / "base"
    os.environ["PATH"] = FakeSlurm(folder / "slurm").path
    console.print("making the undisturbed results")
    sys.path.insert(0, str(workspace.ROOT))
    workspace.make_workspace(base, subjects.STAGES)
    if any(case.kind == "input" for case in cases):
        inputs.complete(base)
    drawn = {kills.draw_stage(case.seed)[0].name for case in cases if case.kind == "kill"}
    known = {
        stage.name: kills.undisturbed(stage, base, folder / stage.name.replace(" ", "_"))
        for stage in kills.STAGES
        if stage.name in drawn
    }

    def judge(case: Case) -> inputs.Verdict:
        own = folder / f"{case.kind}{case.seed}"
        if case.kind == "input":
            return inputs.judge_case(case.seed, base, own)
        return kills.judge_trial(case.seed, base, own, known)

    return _side_by_side(cases, judge, folder, jobs, console)


def _side_by_side(
    cases: Sequence[Case],
    judge: Callable[[Case], inputs.Verdict],
    folder: Path,
    jobs: int,
    console: Console,
) -> dict[Case, inputs.Verdict]:
    verdicts: dict[Case, inputs.Verdict] = {}
    running: dict[int, Case] = {}
    waiting = list(reversed(cases))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("cases", total=len(cases))
        while waiting or running:
            while waiting and len(running) < jobs:
                case = waiting.pop()
                running[_fork(case, judge, folder)] = case
            pid, status = os.waitpid(-1, 0)
            if (ended := running.pop(pid, None)) is None:
                continue
            verdicts[ended] = _collect(ended, folder, status)
            failed = sum(1 for verdict in verdicts.values() if verdict.problem)
            bar.update(task, advance=1, description=f"cases ({failed} failed)")
    return {case: verdicts[case] for case in cases}


def _fork(case: Case, judge: Callable[[Case], inputs.Verdict], folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        path = folder / f"{case.kind}{case.seed}.json"
        path.write_text(json.dumps(asdict(judge(case))))
        code = 0
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


def _collect(case: Case, folder: Path, status: int) -> inputs.Verdict:
    path = folder / f"{case.kind}{case.seed}.json"
    shutil.rmtree(folder / f"{case.kind}{case.seed}", ignore_errors=True)
    if not path.is_file():
        return inputs.Verdict(str(case), "campaign", f"the case itself failed ({status})", "")
    return inputs.Verdict(**json.loads(path.read_text()))


def _print_table(verdicts: Mapping[Case, inputs.Verdict]) -> None:
    counts = Counter((case.kind, verdict.kind) for case, verdict in verdicts.items())
    good = Counter(
        (case.kind, verdict.kind) for case, verdict in verdicts.items() if not verdict.problem
    )
    missed = Counter(
        (case.kind, verdict.kind)
        for case, verdict in verdicts.items()
        if not verdict.problem and not verdict.struck
    )
    print("\n| | cases | not triggered | passed |\n| --- | --- | --- | --- |")
    for key, count in sorted(counts.items()):
        print(f"| {key[0]}: {key[1]} | {count} | {missed[key]} | {good[key] - missed[key]} |")
    print(f"| all | {counts.total()} | {missed.total()} | {good.total() - missed.total()} |")


def _parse(arguments: Sequence[str]) -> dict[str, int]:
    asked = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in _KEYS or not value.isdecimal():
            raise SystemExit(f"{argument!r}: expected one of {', '.join(_KEYS)} and a number")
        asked[key] = int(value)
    return asked
