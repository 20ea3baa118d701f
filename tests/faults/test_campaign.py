"""A fixed share of the campaign; `make faults` runs as much of it as one asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.faults import inputs, kills, mutations
from tests.faults.command import Ended
from tests.faults.hook import fault_hook
from tests.faults.results import differing, results_of
from tests.faults.workspace import ROOT


@pytest.mark.slow
def test_damaged_inputs_and_kills_change_no_result() -> None:
    """In a process of its own, which forks before it has computed anything."""
    share = ("inputs=24", "kills=4", "seed=100", "jobs=1")
    campaign = subprocess.run(
        [sys.executable, "-m", "tests.faults", *share],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert "| all | 28 | 0 | 28 |" in campaign.stdout, campaign.stdout


_VIDEO = "runs/main/units/u1/video.mp4"
_PAGE = "runs/main/report/index.html"
_SUBJECT = inputs.Subject("video", _VIDEO, "binary", (("sweep", "name=main"),))
_USUAL = "sweep: 1 unit in runs/main, world, enc"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a working folder with one result and an old report that names every file."""
    folder = tmp_path / "base"
    texts = {_VIDEO: "frames " * 40, _PAGE: f"{_VIDEO} of u1", "prompts.txt": "a ball"}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("repaired", "said", "fails"),
    [
        (True, _USUAL, False),
        (False, _USUAL, True),
        (False, f"{_USUAL}\n{_VIDEO} is damaged", False),
        (False, f"{_USUAL}\n1 file of main is damaged", True),
    ],
)
def test_a_changed_result_passes_only_if_its_file_is_named(
    repaired: bool,
    said: str,
    fails: bool,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a command that makes a damaged video again, into the right or other bytes."""
    good = (base / _VIDEO).read_bytes()

    def command(folder: Path, argv: tuple[str, ...]) -> Ended:
        assert argv == _SUBJECT.commands[0]
        assert not (folder / _PAGE).exists()
        video = folder / _VIDEO
        if video.read_bytes() == good:
            return Ended(0, _USUAL)
        video.write_bytes(good if repaired else b"another video")
        return Ended(0, said)

    monkeypatch.setattr(inputs, "run", command)
    monkeypatch.setattr(inputs, "SUBJECTS", (_SUBJECT,))
    seed = next(seed for seed in count() if Random(f"input {seed}").random() >= 0.25)
    verdict = inputs.judge_case(seed, base, base.with_name("input"))
    assert verdict.struck
    assert (verdict.problem is not None) == fails, verdict.problem


def test_an_old_report_is_no_word_about_a_damaged_file(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that leaves out a result must say more than the one that it replaces."""
    subject = inputs.Subject("video", _VIDEO, "binary", (("report", "sweep=main"),))
    old = (base / _PAGE).read_text()

    words = iter((" in 2 s", "; video.mp4 cannot be read"))

    def command(folder: Path, argv: tuple[str, ...]) -> Ended:
        assert argv
        assert (folder / _PAGE).read_text() == old
        if (folder / _VIDEO).read_bytes() != (base / _VIDEO).read_bytes():
            (folder / _PAGE).write_text(f"{_VIDEO} of u1{next(words)}")
        return Ended(0, "report of main")

    monkeypatch.setattr(inputs, "run", command)
    monkeypatch.setattr(inputs, "SUBJECTS", (subject,))
    seed = next(seed for seed in count() if Random(f"input {seed}").random() >= 0.25)
    for fails in (True, False):
        verdict = inputs.judge_case(seed, base, base.with_name(f"input{fails}"))
        assert (verdict.problem is not None) == fails, verdict.problem


def test_a_claim_that_stays_is_a_leftover(tmp_path: Path) -> None:
    for name in ("runs/main/.lock", "runs/main/.claims/u1", "runs/main/units/u1/video.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert kills._leftovers(tmp_path) == "runs/main/.claims/u1"


def test_a_fault_leaves_a_sign_only_when_it_happens(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    on_change = fault_hook.fail_at("full disk", 2, 1, struck)
    on_change(1, "a")
    assert not struck.exists()
    with pytest.raises(OSError, match="No space"):
        on_change(2, "b")
    assert struck.exists()


@pytest.mark.parametrize("mutation", mutations.DAMAGED, ids=lambda mutation: mutation.__name__)
def test_a_seed_repeats_its_damage(mutation: mutations.Mutation) -> None:
    data = bytes(range(200))
    damaged = [mutation(Random(f"x {seed}"), data) for seed in range(40)]
    assert damaged == [mutation(Random(f"x {seed}"), data) for seed in range(40)]
    assert sum(after != data for after in damaged) > 30


def test_results_that_are_missing_added_or_changed_differ() -> None:
    assert differing({"a": "1", "b": "2", "d": "4"}, {"a": "1", "b": "3", "c": "4"}) == [
        *("b", "c", "d")
    ]


def test_a_result_that_is_nested_too_deeply_is_compared_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "runs/main/metrics/m/u1.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"[" * 100_000 + b"]" * 100_000)
    deep = results_of(tmp_path)
    path.write_bytes(b"[" * 90_000 + b"]" * 90_000)
    assert differing(results_of(tmp_path), deep) == ["runs/main/metrics/m/u1.json"]
