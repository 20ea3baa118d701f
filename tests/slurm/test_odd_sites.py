"""Sites whose SLURM behaves oddly: banners, busy controllers, limits, inherited settings."""

from __future__ import annotations

import fcntl
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.__main__ import main
from harness.cli import submit
from harness.config.slurm_profile import SlurmProfile
from harness.core.errors import ClusterError
from slurm import commands
from slurm.commands import TaskState
from slurm.node.requeue import stopped_early
from slurm.plan.resources import Request
from slurm.site import with_site_defaults
from slurm.status import state as sweep_state
from slurm.submission import JobStage
from slurm.submit import jobs
from slurm.submit.sbatch import ArraySpec, script
from tests.slurm import simulation
from tests.slurm.fake_slurm import FakeSlurm

REQUEST = Request("gpu", 1, 8, 16, 70)


def text_of(profile: SlurmProfile, folder: str = "/s/f") -> str:
    return script(ArraySpec("name", REQUEST, profile, Path(folder), "/home/me", 3))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_RETRY_WAITS_S", (0.0, 0.0, 0.0))


def test_a_banner_with_a_number_is_not_taken_for_the_job_id(
    tmp_path: Path, fake_slurm: FakeSlurm
) -> None:
    (fake_slurm.folder / "banner").write_text("Your job 4711 of 2026 is welcome\n*** 99 ***\n")
    (folder,) = simulation.submitted(32, tmp_path).folders
    jobs = folder.submission.jobs
    assert [job.job_id for job in jobs] == [str(number) for number in range(1, len(jobs) + 1)]


def test_a_busy_controller_is_asked_again(
    tmp_path: Path, fake_slurm: FakeSlurm, no_waiting: None
) -> None:
    fake_slurm.fails_times("sbatch", 2, "sbatch: error: Socket timed out on send/recv operation")
    (folder,) = simulation.submitted(32, tmp_path).folders
    assert all(job.job_id for job in folder.submission.jobs)
    assert not list(folder.submitit.glob("*/*.pkl"))


def test_a_refusal_is_not_repeated(tmp_path: Path, fake_slurm: FakeSlurm) -> None:
    fake_slurm.fails_times("sbatch", 1, "sbatch: error: Invalid account")
    with pytest.raises(ValueError, match="Invalid account"):
        simulation.submitted(32, tmp_path)


def test_what_was_submitted_before_a_refusal_is_said(
    tmp_path: Path, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = jobs.submit

    def limited(spec: ArraySpec, task: object, arguments: Sequence[str]) -> str:
        if spec.dependency:
            raise ClusterError("sbatch failed: the site is full today")
        return first(spec, task, arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "submit", limited)
    with pytest.raises(ClusterError) as refused:
        simulation.submitted(32, tmp_path)
    said = str(refused.value)
    assert "Submitted before: generate 1; 4 tasks are left." in said
    assert "executor.slurm.shard_min" in said
    assert said.endswith(f"python -m harness resume {tmp_path / 'main'}")


def test_settings_of_the_shell_are_read_once_and_reach_no_command(
    tmp_path: Path, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SBATCH_PARTITION", "SQUEUE_PARTITION", "SACCT_FORMAT", "SBATCH_TIMELIMIT"):
        monkeypatch.setenv(name, "elsewhere")
    simulation.submitted(32, tmp_path)
    sweep_state.read_state(tmp_path / "main")
    environment = (fake_slurm.folder / "environment").read_text()
    assert not re.search(r"^(SBATCH|SQUEUE|SACCT)_", environment, re.MULTILINE)


def test_settings_of_the_shell_count_where_the_profile_has_none() -> None:
    shell = {
        "SBATCH_ACCOUNT": "site",
        "SBATCH_QOS": "long",
        "SBATCH_RESERVATION": "monday",
        "SBATCH_TIMELIMIT": "5",
        "HOME": "/home/me",
    }
    profile, lines = with_site_defaults(SlurmProfile(qos="short"), shell)
    assert (profile.account, profile.qos) == ("site", "short")
    assert profile.extra == {"reservation": "monday"}
    assert lines == [
        "SBATCH_ACCOUNT=site sets executor.slurm.account.",
        "SBATCH_QOS=long is ignored: executor.slurm.qos=short.",
        "SBATCH_RESERVATION=monday sets executor.slurm.extra.reservation.",
        "SBATCH_TIMELIMIT=5 is ignored; executor.slurm.extra sets options of sbatch.",
    ]


@pytest.mark.usefixtures("fake_slurm")
def test_a_percent_sign_in_the_path_stays_one() -> None:
    text = text_of(SlurmProfile(), "/s/50%j done/f")
    assert "#SBATCH --output='/s/50%%j done/f/%A_%a_0_log.out'" in text
    assert "--error '/s/50%%j done/f/%A_%a_%t_log.err'" in text
    assert text.rstrip().endswith("submitit.core._submit '/s/50%j done/f'")


@pytest.mark.usefixtures("fake_slurm")
def test_a_setup_line_that_fails_ends_the_task_and_is_named() -> None:
    text = text_of(SlurmProfile(setup=["export A=1", "module_that_is_not load cuda/99", "A=2"]))
    work = "echo work with $SLURM_EXPORT_ENV"
    runnable = re.sub(r"^srun .*$", work, text, flags=re.MULTILINE)
    done = subprocess.run(["bash", "-c", runnable], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "work" not in done.stdout
    assert "error: setup line failed: module_that_is_not load cuda/99" in done.stderr
    fine = runnable.replace("module_that_is_not", "true")
    environment = {"PATH": "/usr/bin:/bin", "SLURM_EXPORT_ENV": "NONE"}
    done = subprocess.run(
        ["bash", "-c", fine], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "work with\n"  # srun exports everything, also under --export=NONE


@pytest.mark.usefixtures("fake_slurm")
def test_no_wckey_is_sent_unless_it_is_given() -> None:
    assert "wckey" not in text_of(SlurmProfile())
    assert "#SBATCH --wckey=mine" in text_of(SlurmProfile(extra={"wckey": "mine"}))


@pytest.mark.parametrize(
    ("left", "early"),
    [("1:30:00", True), ("5:00", True), ("3:00", False), ("0:45", False), ("UNLIMITED", True)],
)
def test_a_signal_long_before_the_time_limit_is_a_preemption(
    fake_slurm: FakeSlurm, left: str, early: bool
) -> None:
    fake_slurm.prints("squeue", f"{left}\n")
    assert stopped_early("1_2", signal_delay_s=120) is early


def test_cancel_waits_for_a_submission_to_end(
    tmp_path: Path, fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = simulation.submitted(32, tmp_path).store
    asked, read = [], sweep_state.read_state

    def under_lock(folder: Path) -> sweep_state.SweepState:
        with submit.submit_lock(store).open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asked.append(folder)
        return read(folder)

    monkeypatch.setattr(sweep_state, "read_state", under_lock)
    assert main(["cancel", f"sweep={store}"]) == 0
    assert asked == [store]


def test_watching_into_a_file_prints_a_line_per_change_and_says_how_to_come_back(
    tmp_path: Path,
    fake_slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = simulation.submitted(32, tmp_path)
    (folder,) = sweep.folders
    queued = [TaskState(str(j.job_id), 0, j.name, "PENDING") for j in folder.submission.jobs]
    queued += [TaskState(str(j.job_id), 1, j.name, "PENDING") for j in folder.submission.jobs]
    fake_slurm.queue(queued)
    waits = iter([None, None])

    def wait(_: float) -> None:
        if next(waits, "over") == "over":
            raise KeyboardInterrupt
        running = [t for t in queued if str(JobStage.generate) in t.name]
        fake_slurm.queue([TaskState(t.job_id, t.index, t.name, "RUNNING") for t in running])

    # Not `time.sleep` itself, which other threads call.
    monkeypatch.setattr("harness.cli.watch.time", SimpleNamespace(sleep=wait))
    assert main(["status", f"sweep={sweep.store}", "--watch"]) == 130
    lines = capsys.readouterr().out.splitlines()
    counted = [line for line in lines if "generate: " in line]
    assert len(counted) == 2  # the second look is like the first one after it
    assert "32 pending" in counted[0]
    assert "running" in counted[1]
    assert "The jobs go on." in "".join(lines)
    assert "status --watch sweep=" in "".join(lines)
