from __future__ import annotations

import pytest

from harness.core.errors import LongtakeError
from slurm import commands
from slurm.commands import TaskState


@pytest.mark.parametrize(
    ("text", "indices"),
    [("N/A", [0]), ("7", [7]), ("[3-5,9%4]", [3, 4, 5, 9]), ("0-2", [0, 1, 2]), ("", [0])],
)
def test_array_indices_are_read(text: str, indices: list[int]) -> None:
    assert commands.parse_indices(text) == indices


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("1-00:00:00", 1440),
        ("2-12:30:00", 3630),
        ("08:00:00", 480),
        ("45:00", 45),
        ("30", 30),
        ("UNLIMITED", None),
        ("INFINITE", None),
    ],
)
def test_time_limits_are_read(limit: str, minutes: int | None) -> None:
    assert commands.minutes(limit) == minutes


def test_one_call_tells_the_whole_queue(fake_slurm) -> None:
    fake_slurm(
        {
            "squeue": "12|0|a|RUNNING|None|n1\n12|[1-2]|a|PENDING|Priority|\n"
            "13|N/A|b|NODE_FAIL|None|n2\nslurm_load_jobs warning\n"
        }
    )
    states = commands.queue()
    assert states == [
        TaskState("12", 0, "a", "RUNNING", "", "n1"),
        TaskState("12", 1, "a", "PENDING", "Priority"),
        TaskState("12", 2, "a", "PENDING", "Priority"),
        TaskState("13", 0, "b", "NODE_FAIL", "", "n2"),
    ]
    assert [state.runs for state in states] == [True, False, False, False]
    assert [state.waits for state in states] == [False, True, True, False]


def test_accounting_is_read_without_who_cancelled(fake_slurm) -> None:
    fake_slurm(
        {
            "sacct": "12_0|a|CANCELLED by 0|0:15|n1\n"
            "12_[1-2]|a|PENDING|0:0|None assigned\n"
            "9|b|FAILED|3:0|n2\n"
        }
    )
    assert commands.accounting(["12", "9"]) == [
        TaskState("12", 0, "a", "CANCELLED", "", "n1", "0:15"),
        TaskState("12", 1, "a", "PENDING", "", "", "0:0"),
        TaskState("12", 2, "a", "PENDING", "", "", "0:0"),
        TaskState("9", 0, "b", "FAILED", "", "n2", "3:0"),
    ]


def test_no_accounting_is_no_error(fake_slurm) -> None:
    fake_slurm({"sacct": "exit 1: Slurm accounting storage is disabled"})
    assert commands.accounting(["12"]) == []


def test_no_slurm_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LongtakeError, match="no SLURM here: squeue"):
        commands.queue()


def test_what_slurm_says_is_passed_on(fake_slurm) -> None:
    fake_slurm({"squeue": "exit 1: slurm_load_jobs error: Unable to contact slurm controller"})
    with pytest.raises(LongtakeError, match=r"squeue failed: .*Unable to contact"):
        commands.queue()
    fake_slurm({"sbatch": "exit 1: allocation failure: Invalid qos specification"})
    with pytest.raises(LongtakeError, match="SLURM refuses such a job: Invalid qos"):
        commands.test_only("#!/bin/sh\n")
