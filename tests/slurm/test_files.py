"""The files of a submission are typed: what does not fit is named with file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import StoreError
from slurm.attempts.attempt import read_attempts
from slurm.attempts.counts import AttemptCounts, read_counts, write_counts
from slurm.submission import Job, JobStage, PlannedShard, Submission, SubmissionFolder

Read = Callable[[SubmissionFolder], Any]
READ: dict[str, Read] = {
    "submission.json": lambda folder: SubmissionFolder(folder.path).submission,
    "plan.jsonl": lambda folder: list(folder.shards()),
    "shards/00000.tried": lambda folder: read_counts(folder.shard_path(0)),
}
DEEP, HUGE = "[" * 100_000, "9" * 5000


@pytest.fixture
def folder(tmp_path: Path) -> SubmissionFolder:
    made = SubmissionFolder(tmp_path)
    jobs = (Job(JobStage.generate, "g", 0, 2, "17"), Job(JobStage.report, "r", 2, 1, None, "no"))
    made.write(Submission("one", ("sweep",), "/work", {"partition": "gpu"}, False, jobs))
    made.write_plan(
        [
            PlannedShard(0, JobStage.generate, "tiny", ("u0", "u1"), (9, 9), "cpu"),
            PlannedShard(1, JobStage.generate, "tiny", ("u2",), (9,), "cpu"),
            PlannedShard(2, JobStage.report, "report", ("report",), (1,), "cpu"),
        ]
    )
    write_counts(made.shard_path(0), {"u0": AttemptCounts(1, 2, 3, 4)})
    return made


def without_digest(text: str) -> str:
    """Return a file as a person might have written it, all on as many lines as it has objects."""
    lines = text.splitlines() if text.startswith('{"') else [text]
    parts = [json.loads(line) for line in lines]
    return "".join(f"{json.dumps({k: v for k, v in p.items() if k != 'sha256'})}\n" for p in parts)


@pytest.mark.parametrize("name", READ)
def test_files_with_and_without_a_digest_are_read(folder: SubmissionFolder, name: str) -> None:
    expected = READ[name](folder)
    path = folder.path / name
    path.write_text(without_digest(path.read_text()))
    assert READ[name](folder) == expected


@pytest.mark.parametrize(
    ("name", "old", "new", "field"),
    [
        ("submission.json", '"first_shard": 0', f'"first_shard": {HUGE}', "`jobs[0].first_shard`"),
        ("submission.json", '"first_shard": 0', '"first_shard": "0"', "`jobs[0].first_shard`"),
        ("submission.json", '"profile": {', f'"profile": {DEEP}', "not valid JSON"),
        ("submission.json", '"schema": 1', '"schema": 9', "schema 9, expected 1"),
        ("submission.json", '"stage": "report"', '"stage": "none"', "`jobs[1].stage`"),
        ("plan.jsonl", '"amounts": [9, 9]', f'"amounts": [9, {HUGE}]', "line 1: "),
        ("plan.jsonl", '"amounts": [9, 9]', '"amounts": [9]', "2 items with 1 amounts"),
        ("plan.jsonl", '"number": 2', '"number": 7', "line 3: shard 7"),
        ("plan.jsonl", '"items": ["u2"]', '"items": "u2"', "line 2: expected `array`"),
        ("shards/00000.tried", '"stuck": 2', '"stuck": null', "`counts[...].stuck`"),
        ("shards/00000.tried", '"stuck": 2', f'"stuck": {DEEP}', "`counts[...].stuck`"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(
    folder: SubmissionFolder, name: str, old: str, new: str, field: str
) -> None:
    path = folder.path / name
    text = without_digest(path.read_text())
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(StoreError) as refused:
        READ[name](folder)
    message = str(refused.value)
    assert message.startswith(str(path)) and field in message and "\n" not in message


@pytest.mark.parametrize("name", READ)
def test_a_changed_digit_is_found(folder: SubmissionFolder, name: str) -> None:
    path = folder.path / name
    data = path.read_bytes()
    place = data.index(b"0")
    path.write_bytes(data[:place] + b"1" + data[place + 1 :])
    with pytest.raises(StoreError, match="checksum mismatch"):
        READ[name](folder)


def test_lines_that_are_missing_in_the_plan_are_said(folder: SubmissionFolder) -> None:
    path = folder.path / "plan.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(StoreError, match="2 shards; the jobs of the submission have 3"):
        list(folder.shards())


@pytest.mark.parametrize("text", [DEEP, "{}", '{"job_id": 1}', "\xff", f'{{"pid": {HUGE}}}'])
def test_a_damaged_attempt_counts_against_no_item(tmp_path: Path, text: str) -> None:
    (tmp_path / "001-n1-1.json").write_text(text)
    assert read_attempts(tmp_path) == []
