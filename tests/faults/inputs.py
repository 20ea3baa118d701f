"""Damaged inputs: every file that Longtake reads back, and its command line.

A case is one subject with one mutation, run by one command; its seed decides all three. It passes
if the command refuses in a clear line that names the file, or ends with the results of an
undisturbed run, or with others and saying more of the file than an undisturbed run does. `verify`
has to name every file whose content is another one, and only that file or others of its unit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.faults import mutations, workspace
from tests.faults.arguments import COMMAND_LINES, mutate_arguments
from tests.faults.command import Ended, run
from tests.faults.hook import fault_hook
from tests.faults.results import differing, results_of
from tests.faults.subjects import SUBJECTS, WEIGHTS, Subject


@dataclass(frozen=True)
class Verdict:
    """The end of a case.

    Attributes:
        what: subject, mutation and command, for people.
        kind: subject.
        problem: what is wrong; None if it passed.
        output: what the command printed.
        struck: whether the fault happened; not where a mutation changed nothing, for example.
    """

    what: str
    kind: str
    problem: str | None
    output: str
    struck: bool = True


def complete(base: Path) -> None:
    """Add what an undisturbed sweep does not leave: progress, a failure, a submission."""
    from harness.store.run_store import RunStore

    longer = base.with_name("longer")
    for name in ("prompts.txt", "runs/main"):
        _copy(base / name, longer / name)
    _require(run(longer, workspace.LONGER), 0)
    stopped = base.with_name("stopped")
    _copy(base / "prompts.txt", stopped / "prompts.txt")

    def stop_before_the_end() -> None:
        def on_change(made: int, path: str) -> None:
            if Path(path).name.startswith(".latents-"):
                os.kill(os.getpid(), signal.SIGKILL)

        fault_hook.install(str(stopped), on_change)

    ended = run(stopped, (*workspace.SWEEP, "save_every_blocks=1"), stop_before_the_end)
    _require(ended, -signal.SIGKILL)
    (unit,) = (stopped / "runs/main/units").iterdir()
    _copy(unit, base / "progress" / unit.name)
    RunStore(base / "runs/main").write_failure(unit.name, "no plan today", "Traceback: none")
    workspace.add_submission(base)
    _require(run(base, workspace.REPORT), 0)


def _require(ended: Ended, code: int) -> None:
    if ended.code != code:
        raise RuntimeError(f"exit code {ended.code}, not {code}\n{ended.output}")


def judge_case(seed: int, base: Path, folder: Path) -> Verdict:
    """Run the case of a seed in `folder`, which must not exist.

    Args:
        seed: decides the case.
        base: the undisturbed working folder.
        folder: working folder of the case.
    """
    draw = Random(f"input {seed}")
    if draw.random() < 0.25:
        return _judge_arguments(draw, base, folder)
    subject = draw.choices(SUBJECTS, [WEIGHTS.get(subject.name, 1) for subject in SUBJECTS])[0]
    _fill(base, folder, subject)
    path = draw.choice(sorted(path for path in folder.glob(subject.pattern) if path.is_file()))
    of_format = mutations.BY_FORMAT[subject.format]
    mutation = draw.choice((*mutations.DAMAGED, *of_format, *of_format))
    before = path.read_bytes()
    after = mutation(draw, before)
    path.write_bytes(after)
    argv = draw.choice(subject.commands)
    _add_report(base, folder, argv)
    what = f"{subject.name} {mutation.__name__}: {' '.join(argv)}"
    ended = run(folder, argv)
    problem = ended.unclear
    if problem is None and before != after:
        place = path.relative_to(folder)
        wrong: list[str] = []
        if argv == workspace.VERIFY and mutation not in _BY_HAND and ended.code < 2:
            problem = _misjudged(place, same_content(subject.format, before, after), ended)
        elif ended.code:
            problem = _silence(place, ended) and _useless(base, folder, subject, argv, ended)
        elif subject.written and mutation not in _BY_HAND:
            wrong = _changed(place, after, folder, _expected(base, subject, argv))
        if wrong:
            usual = folder.with_name(f"{folder.name}.usual")
            _fill(base, usual, subject)
            _add_report(base, usual, argv)
            often = _mentions(place, run(usual, argv), usual)
            shutil.rmtree(usual)
            said = _mentions(place, ended, folder)
            if all(now <= usual_now for now, usual_now in zip(said, often, strict=True)):
                problem = f"{', '.join(wrong)} changed, and {path.name} is not named"
    return Verdict(what, subject.name, problem, ended.output, before != after)


def same_content(format: str, before: bytes, after: bytes) -> bool:
    """Return whether two texts hold the same values, as after the loss of the last line break."""
    if format not in ("json", "jsonl", "yaml"):
        return False
    try:
        found, expected = (_values(format, data) for data in (after, before))
    except (ValueError, RecursionError, yaml.YAMLError):
        return False
    return found == expected


def _values(format: str, data: bytes) -> list[Any]:
    """Return the values of a text without its own digests."""
    text = data.decode()
    if format == "yaml":
        return [yaml.safe_load(text)]
    parts = [text] if format == "json" else [line for line in text.split("\n") if line.strip()]
    values = [json.loads(part) for part in parts]
    for value in values:
        if isinstance(value, dict):
            value.pop("sha256", None)
    return values


def _misjudged(path: Path, harmless: bool, ended: Ended) -> str | None:
    """Say what is wrong with the words of `verify` about a damaged file; None if nothing is."""
    said, _ = json.JSONDecoder().raw_decode(ended.output[ended.output.index("{") :])
    found = [fault["file"] for fault in said["faults"]]
    if not found:
        return None if harmless else f"verify overlooks {path.name}"
    # What is wrong with a record or a video may show in other files of the unit as well.
    names = _names_of(path)
    if others := [name for name in found if not any(part in name for part in names)]:
        return f"verify takes {', '.join(others)} for damaged as well"
    return None


def _useless(
    base: Path, folder: Path, subject: Subject, argv: tuple[str, ...], ended: Ended
) -> str:
    """Say why a command refused without naming the file: the case may have none that works."""
    usual = folder.with_name(f"{folder.name}.usual")
    _fill(base, usual, subject)
    _add_report(base, usual, argv)
    undisturbed = run(usual, argv)
    shutil.rmtree(usual)
    if undisturbed.code == ended.code:
        return f"the campaign's command ends with exit code {ended.code} without any damage"
    return f"exit code {ended.code} without naming the file"


def _judge_arguments(draw: Random, base: Path, folder: Path) -> Verdict:
    argv = mutate_arguments(draw, draw.choice(COMMAND_LINES))
    _copy(base / "runs/main", folder / "runs/main")
    _copy(base / "world/training.json", folder / "world/training.json")
    _copy(base / "prompts.txt", folder / "prompts.txt")
    _add_report(base, folder, argv)
    ended = run(folder, argv)
    return Verdict(f"command line: {argv!a}", "command line", ended.unclear, ended.output)


def _silence(path: Path, ended: Ended) -> str | None:
    """Say that a command which refused did not name the file; None if it did."""
    if ended.code == 1 and ended.output.endswith("FAIL\n"):
        return None  # a replay that compares a recording says that it differs
    if any(name in _one_line(ended) for name in _names_of(path)):
        return None
    return f"exit code {ended.code} without naming {path.name}"


def _changed(path: Path, after: bytes, folder: Path, expected: Mapping[str, str]) -> list[str]:
    """Return the results that a command which said it is done has changed or lost."""
    # A file that the command does not read keeps its damage, and nothing else may change.
    unread = (folder / path).is_file() and (folder / path).read_bytes() == after
    kept = {path.as_posix()} if unread else set()
    found = results_of(folder)
    return [name for name in differing(found, expected) if name in expected.keys() - kept]


# As if a person had done it: the result may be as valid as before.
_BY_HAND = (mutations.values_changed, mutations.line_changed, mutations.yaml_changed)


def _expected(base: Path, subject: Subject, argv: tuple[str, ...]) -> dict[str, str]:
    """Return the results of the parts of the working folder that a case has."""
    source = base.with_name("longer") if argv == workspace.LONGER else base
    return {
        name: digest
        for name, digest in results_of(source).items()
        if name.startswith(subject.folders)
        and (argv[0] == "report" or not name.startswith("runs/main/report/"))
        and not (subject.without and name.startswith(subject.without) and argv != workspace.EVAL)
    }


def _mentions(path: Path, ended: Ended, folder: Path) -> tuple[int, int]:
    """Count how often the output names a file or its unit, and the pages of reports the file.

    Pages list the units anyway, and the output of a command that found no damage may name files:
    only more than an undisturbed run says is about the damage. A page that leaves a file out has
    no link to it any more, so the warnings, which begin with its name, are counted apart.
    """
    pages = [*folder.glob("runs/*/report/index.html"), *folder.glob("runs/*/report/data/*.js")]
    texts = [page.read_text() for page in pages]
    in_output = sum(_one_line(ended).count(name) for name in _names_of(path))
    in_pages = sum(text.count(path.name) for text in texts)
    return in_pages + in_output, sum(text.count(f"{path.name}: ") for text in texts)


def _names_of(path: Path) -> tuple[str, ...]:
    """Return the names by which a command may speak of a file: its own, and the id of its unit."""
    if path.parts[2:3] == ("units",):
        return (path.name, path.parts[3])
    if path.parts[2:3] == ("metrics",):
        return (path.name, path.stem)
    return (path.name,)


def _one_line(ended: Ended) -> str:
    """Return the output without the line breaks that a narrow terminal puts into paths."""
    return ended.output.replace("\n", "")


def _fill(base: Path, folder: Path, subject: Subject) -> None:
    """Make the working folder of a case, before the damage."""
    for name in subject.folders:
        _copy(base / name, folder / name)
    if subject.name == "saved chunks":
        _unfinish(base, folder)
    if subject.without:
        shutil.rmtree(folder / subject.without)


def _add_report(base: Path, folder: Path, argv: Sequence[str]) -> None:
    """Add the old report for the command that replaces it; no other reads it."""
    if tuple(argv[:1]) == workspace.REPORT[:1] and (folder / "runs/main").is_dir():
        _copy(base / "runs/main/report", folder / "runs/main/report")


def _unfinish(base: Path, folder: Path) -> None:
    """Make the unit one that was stopped half-way: its chunks are kept, nothing else."""
    for unit in (folder / "runs/main/units").iterdir():
        shutil.rmtree(unit)
        _copy(base / "progress" / unit.name, unit)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("report"))
    else:
        shutil.copyfile(source, target)
