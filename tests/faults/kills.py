"""Kills: a command is ended or refused at some moment, and run again until it is done.

A trial passes if the results equal those of an undisturbed run, byte for byte. One whose fault did
not happen is not counted as passed.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from harness.store import claims
from tests.faults import workspace
from tests.faults.command import Ended, finish, run, start
from tests.faults.hook import fault_hook
from tests.faults.inputs import Verdict
from tests.faults.results import differing, results_of

_HOOK = Path(fault_hook.__file__).parent
_SIZE_LIMIT = "limit on file size"
_SECOND = "second process"
_HANG = "hang beside a second process"
_PARENT = "parent of workers"
_GUARDED = "generate with a guard"
_LEASE_S = 0.1


@dataclass(frozen=True)
class Stage:
    """A command to disturb.

    Attributes:
        name: for people.
        argv: the command.
        given: parts of the undisturbed working folder that it starts from.
        faults: what may happen to it.
        damaged: a file that is damaged before, as a glob; for the command that repairs it.
        after: the command that makes again what was repaired.
    """

    name: str
    argv: tuple[str, ...]
    given: tuple[str, ...]
    faults: tuple[str, ...]
    damaged: str | None = None
    after: tuple[str, ...] | None = None


_FAULTS = (*fault_hook.SIGNALS, "SIGKILL", *fault_hook.REFUSALS, _SIZE_LIMIT, _SECOND)
_GENERATE = (
    *("sweep", "--no-report", "name=main", "method=rag", "prompts=prompts.txt"),
    *("prompts.num=1", "seed=0,1"),
    *("duration=4.5", "save_every_blocks=1", "suite=[]", "backbone.denoising_step_list=[1000,400]"),
    *("device=cpu", "threads=1"),
)
_WORKERS = (*_GENERATE, "executor=processes", "workers=2")
STAGES = (
    Stage("generate", _GENERATE, ("prompts.txt",), (*_FAULTS, _HANG)),
    Stage("score", workspace.EVAL, ("runs/main",), (*_FAULTS, _HANG)),
    Stage("report", workspace.REPORT, ("runs/main",), _FAULTS),
    Stage("latents", workspace.LATENTS, ("prompts.txt",), _FAULTS),
    Stage("train-encoder", workspace.ENCODER, ("runs/corpus",), _FAULTS),
    Stage("train-world", workspace.WORLD, (), _FAULTS),
    Stage(
        "verify",
        (*workspace.VERIFY, "--repair"),
        ("runs/main", "prompts.txt"),
        _FAULTS,
        damaged="runs/main/units/*/video.mp4",
        after=workspace.SWEEP,
    ),
    Stage("worker", _WORKERS, ("prompts.txt",), tuple(fault_hook.SIGNALS)[:2]),
    Stage(_PARENT, _WORKERS, ("prompts.txt",), tuple(fault_hook.SIGNALS)),
    Stage(_GUARDED, _GENERATE, ("prompts.txt",), tuple(fault_hook.SIGNALS)),
)
_WEIGHTS = {"worker": 0.4, _PARENT: 0.4, "verify": 0.5, _GUARDED: 0.4}


@dataclass(frozen=True)
class Undisturbed:
    """An undisturbed run of a stage: results, exit code and how often it changed a file."""

    results: Mapping[str, str]
    code: int
    changes: int


def undisturbed(stage: Stage, base: Path, folder: Path) -> Undisturbed:
    """Run a stage without a fault, counting the changes it makes to files."""
    _prepare(stage, base, folder)
    counter = folder.parent / f"{folder.name}.changes"

    def count() -> None:
        fault_hook.install(str(folder), lambda made, path: _note(counter, made))

    ended = run(folder, stage.argv, count)
    if ended.code != (1 if stage.damaged else 0):
        raise RuntimeError(f"{stage.name}: exit code {ended.code}\n{ended.output}")
    if stage.after and (again := run(folder, stage.after)).code:
        raise RuntimeError(f"{stage.name}: {again.output}")
    return Undisturbed(results_of(folder), ended.code, int(counter.read_text()))


def draw_stage(seed: int) -> tuple[Stage, Random]:
    """Return the stage of a trial, and what draws the rest of it."""
    draw = Random(f"kill {seed}")
    weights = [_WEIGHTS.get(stage.name, 1) for stage in STAGES]
    return draw.choices(STAGES, weights)[0], draw


def judge_trial(seed: int, base: Path, folder: Path, known: Mapping[str, Undisturbed]) -> Verdict:
    """Run the trial of a seed in `folder`, which must not exist.

    Args:
        seed: decides stage, fault and moment.
        base: the undisturbed working folder.
        folder: working folder of the trial.
        known: what undisturbed runs gave, by stage.
    """
    stage, draw = draw_stage(seed)
    fault = draw.choice(stage.faults)
    number, pause = draw.randint(1, known[stage.name].changes), draw.choice((1, 1, 3))
    what = f"{stage.name}: {fault} at change {number} of {known[stage.name].changes}"
    _prepare(stage, base, folder)
    first = _disturb(stage, fault, number, pause, folder)
    _wait_for_orphans(folder)
    struck = _struck_of(folder).exists()
    if fault == _SIZE_LIMIT:  # refused by the system, which leaves no sign but the way it ended
        struck = first.code != known[stage.name].code
    elif fault == _SECOND:  # there from the start
        struck = True
    problem = first.unclear
    if first.code < 0 and fault == "SIGKILL":
        problem = None
    output = first.output
    for argv in (stage.argv, stage.after):
        if problem is None and argv:
            again = run(folder, argv)
            output += f"\n--- again: {' '.join(argv)}\n{again.output}"
            allowed = (0, 1) if argv == stage.argv and stage.damaged else (0,)
            if again.code not in allowed:
                problem = f"run again, it ended with exit code {again.code}"
    if problem is None:
        wrong = differing(results_of(folder), known[stage.name].results)
        problem = f"{', '.join(wrong)} not equal" if wrong else None
    if problem is None and (left := _leftovers(folder)):
        problem = f"left {left}"
    return Verdict(what, stage.name, problem, output, struck)


def _disturb(stage: Stage, fault: str, number: int, pause: int, folder: Path) -> Ended:
    if stage.name == "worker":
        return _disturb_worker(stage, fault, number, folder)
    if fault == _SECOND:
        logs = [folder.parent / f"{folder.name}.{place}.log" for place in range(2)]
        pids = [start(folder, stage.argv, log) for log in logs]
        first, second = (finish(pid, log) for pid, log in zip(pids, logs, strict=True))
        return second if first.unclear is None else first

    if fault == _HANG:
        return _disturb_hanging(stage, number, folder)

    def before() -> None:
        if fault == _SIZE_LIMIT:
            # By the moment drawn: from small files to those of a whole unit.
            limit = 4000 * 2 ** (number % 7)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            return
        struck = _struck_of(folder)
        fail = fault_hook.fail_at(fault, number, pause, struck)

        def once(made: int, path: str) -> None:
            if not struck.exists():  # the guard starts a second process, which counts anew
                fail(made, path)

        fault_hook.install(str(folder), once if stage.name == _GUARDED else fail)

    return run(folder, stage.argv, before, guarded=stage.name == _GUARDED)


def _disturb_hanging(stage: Stage, number: int, folder: Path) -> Ended:
    """Stop a command while it works on a unit, do its work in a second one, and let it go on."""
    struck = _struck_of(folder)

    def hanging() -> None:
        def on_change(made: int, path: str) -> None:
            # Not in the milliseconds in which a command notes itself and all others wait.
            of_unit = {"units", "metrics", "index", ".claims"} & set(Path(path).parts)
            if made >= number and of_unit and not struck.exists():
                struck.touch()
                os.kill(os.getpid(), signal.SIGSTOP)

        fault_hook.install(str(folder), on_change)

    def impatient() -> None:
        claims.LEASE_S = _LEASE_S

    log = folder.parent / f"{folder.name}.hanging.log"
    pid = start(folder, stage.argv, log, hanging)
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return Ended(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"))
    second = run(folder, stage.argv, impatient)
    os.kill(pid, signal.SIGCONT)
    first = finish(pid, log)
    return second if second.code or second.unclear else first


def _wait_for_orphans(folder: Path) -> None:
    """Wait until no process works in `folder`: workers end when they next report to their parent.

    An orphan has neither its parent nor its process group any more, but still its working folder.
    """
    while any(_works_in(process, folder) for process in psutil.process_iter()):
        time.sleep(0.1)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder)
    except psutil.Error:  # ended, or another user's
        return False


def _struck_of(folder: Path) -> Path:
    """Return the file that a fault makes when it happens; beside `folder`, where none counts."""
    return folder.parent / f"{folder.name}.struck"


def _disturb_worker(stage: Stage, fault: str, number: int, folder: Path) -> Ended:
    def before() -> None:
        os.environ["PYTHONPATH"] = os.pathsep.join((str(_HOOK), str(workspace.ROOT)))
        os.environ["LONGTAKE_TEST_FAULT"] = f"{fault}|{number}|{folder}|{_struck_of(folder)}"

    return run(folder, stage.argv, before)


def _prepare(stage: Stage, base: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in stage.given:
        source, target = base / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("report"))
        else:
            shutil.copyfile(source, target)
    if stage.name == "score":
        shutil.rmtree(folder / "runs/main/metrics")
        shutil.rmtree(folder / "runs/main/scoring")
    if stage.name == "train-encoder":
        shutil.rmtree(folder / "runs/corpus/units")
    if stage.damaged:
        (path,) = folder.glob(stage.damaged)
        path.write_bytes(path.read_bytes()[:-9])


def _leftovers(folder: Path) -> str | None:
    """Return a temporary file or a claim that nothing removed."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    hidden = (path for path in paths if any(part.startswith(".") for part in path.parts))
    return next((str(path) for path in hidden if path.name != ".lock"), None)


def _note(path: Path, made: int) -> None:
    path.write_text(str(made))
