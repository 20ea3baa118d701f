from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ClusterError, ConfigError, LongtakeError
from slurm import commands
from slurm.commands import TaskState
from tests.slurm.fake_slurm import FakeSlurm


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


def test_one_call_lists_the_whole_queue(fake_slurm: FakeSlurm) -> None:
    fake_slurm.prints(
        "squeue",
        "12|0|a|RUNNING|None|n1\n12|[1-2]|a|PENDING|Priority|\n"
        "13|N/A|b|NODE_FAIL|None|n2\nslurm_load_jobs warning\n",
    )
    states = commands.queue(["a", "b"])
    assert states == [
        TaskState("12", 0, "a", "RUNNING", "", "n1"),
        TaskState("12", 1, "a", "PENDING", "Priority"),
        TaskState("12", 2, "a", "PENDING", "Priority"),
        TaskState("13", 0, "b", "NODE_FAIL", "", "n2"),
    ]
    assert [state.runs for state in states] == [True, False, False, False]
    assert [state.waits for state in states] == [False, True, True, False]
    assert len(fake_slurm.calls) == 1


def test_accounting_is_read_without_the_user_who_cancelled(fake_slurm: FakeSlurm) -> None:
    fake_slurm.prints(
        "sacct",
        "12_0|a|CANCELLED by 0|0:15|n1\n12_[1-2]|a|PENDING|0:0|None assigned\n9|b|FAILED|3:0|n2\n",
    )
    assert commands.accounting(["12", "9"]) == [
        TaskState("12", 0, "a", "CANCELLED", "", "n1", "0:15"),
        TaskState("12", 1, "a", "PENDING", "", "", "0:0"),
        TaskState("12", 2, "a", "PENDING", "", "", "0:0"),
        TaskState("9", 0, "b", "FAILED", "", "n2", "3:0"),
    ]


def test_a_cluster_without_accounting_is_no_error(fake_slurm: FakeSlurm) -> None:
    fake_slurm.fails("sacct", "Slurm accounting storage is disabled")
    assert commands.accounting(["12"]) == []


def test_a_machine_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="no SLURM here: squeue"):
        commands.queue(["a", "b"])


def test_errors_of_slurm_are_passed_on(fake_slurm: FakeSlurm) -> None:
    fake_slurm.fails("squeue", "slurm_load_jobs error: Unable to contact slurm controller")
    with pytest.raises(ClusterError, match=r"squeue failed: .*Unable to contact"):
        commands.queue(["a", "b"])


def test_a_command_that_does_not_answer(fake_slurm: FakeSlurm) -> None:
    (fake_slurm.folder / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(ClusterError, match=r"squeue did not answer within 0\.2 s"):
        commands.run(["squeue"], timeout_s=0.2)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Invalid partition name specified", ConfigError),
        ("Invalid account or account/partition combination specified", ConfigError),
        ("Invalid qos specification", ConfigError),
        ("Invalid feature specification", ConfigError),
        ("Invalid generic resource (gres) specification", ConfigError),
        ("Requested node configuration is not available", ConfigError),
        ("Memory specification can not be satisfied", ConfigError),
        ("Requested time limit is invalid (missing or exceeds some limit)", ConfigError),
        ("sbatch: unrecognized option '--mail-typ=FAIL'", ConfigError),
        ("Job violates accounting/QOS policy (job submit limit, user's size ...)", ClusterError),
        ("User's group not permitted to use this partition", ClusterError),
        ("Unable to contact slurm controller (connect failure)", ClusterError),
        ("Batch job submission failed: Socket timed out on send/recv operation", ClusterError),
        ("Invalid authentication credential", ClusterError),
    ],
)
def test_a_bad_request_is_distinguished_from_a_policy_and_from_an_outage(
    fake_slurm: FakeSlurm, said: str, kind: type[LongtakeError]
) -> None:
    fake_slurm.fails("sbatch", f"sbatch: error: allocation failure: {said}")
    with pytest.raises(kind) as refused:
        commands.test_only("#!/bin/sh\n")
    assert type(refused.value) is kind
    assert str(refused.value).startswith("SLURM refuses such a job: ")
