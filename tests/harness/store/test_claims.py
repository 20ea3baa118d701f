"""Several processes share the work of one sweep, and none waits for a dead one."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.core.disk import disk_error
from harness.store import claims
from harness.store.at_work import units_at_work
from harness.store.claims import TakenOver, clear, in_turn, take
from harness.store.paths import StorePaths
from harness.store.processes import running_processes

_HOLD = """\
import sys, time
from pathlib import Path
from harness.store.claims import take
assert take(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the claim of "b"."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "b")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_claim_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    claim = take(tmp_path / "unit" / ".claim")
    assert claim is not None
    assert take(claim.path) is None
    assert f"process {os.getpid()}" in claim.path.read_text()
    claim.release()
    assert not claim.path.exists()
    again = take(claim.path)
    assert again is not None
    again.release()


def test_without_waiting_the_work_of_another_process_is_done_beside_it(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    waited: list[object] = []
    claimed = in_turn("abc", tmp_path.joinpath, lambda *one: waited.append(one), never, wait=False)
    assert [(item, claim.is_lost) for item, claim in claimed] == [(item, False) for item in "acb"]
    assert not waited
    assert other.poll() is None and take(tmp_path / "b") is None, "it is still at it"


def test_a_store_that_may_only_be_read_shows_who_works_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StorePaths(tmp_path)
    path = paths.processes_dir / f"{socket.gethostname()}-1"
    claim = take(path)
    assert claim is not None
    opened = os.open
    with monkeypatch.context() as patch:

        def read_only(name: Path, flags: int, *mode: int) -> int:
            if flags & (os.O_RDWR | os.O_CREAT):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))
            return opened(name, flags, *mode)

        patch.setattr("harness.store.claims.os.open", read_only)
        assert [process.pid for process in running_processes(paths)] == [1]
    claim.release()
    assert running_processes(paths) == []


def test_work_of_another_process_comes_last_and_a_killed_one_holds_nothing(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    noted: list[tuple[str, str]] = []

    def on_note(item: str, text: str) -> None:
        noted.append((item, text))
        other.send_signal(signal.SIGKILL)

    order = [item for item, _ in in_turn("abc", tmp_path.joinpath, on_note, never)]
    assert order == ["a", "c", "b"]
    ((item, text),) = noted
    assert item == "b" and f"process {other.pid} is working on it" in text
    assert not list(tmp_path.iterdir())


def test_claims_of_killed_processes_are_cleared_and_those_of_others_stay(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    (tmp_path / "a").touch()
    assert clear(tmp_path) == {"a"}
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    other.kill()
    other.wait()
    clear(tmp_path)
    assert not tmp_path.exists()
    clear(tmp_path)


def test_a_claim_of_another_machine_stays_for_its_lease(tmp_path: Path) -> None:
    path = tmp_path / "claims" / "a"
    path.parent.mkdir()
    path.write_text("elsewhere, process 1")  # whose locks do not show here
    assert clear(path.parent) == {"a"}
    assert path.read_text() == "elsewhere, process 1"
    ended_s = time.time() - claims.LEASE_S - 1
    os.utime(path, (ended_s, ended_s))
    assert clear(path.parent) == {"a"}
    assert not path.parent.exists()


def test_waiting_ends_when_asked_to_stop(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    asked = threading.Event()
    claimed = in_turn("ab", tmp_path.joinpath, lambda *_: asked.set(), asked.is_set)
    assert [item for item, _ in claimed] == ["a"]


def test_work_without_progress_is_named_once_and_again_after_twice_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE_S", 0.01)
    monkeypatch.setattr(claims, "QUIET_S", 0.05)
    noted: list[tuple[str, str]] = []
    for item, claim in in_turn("ab", tmp_path.joinpath, lambda *one: noted.append(one), never):
        began = len(noted)
        while item == "a" and len(noted) < 2:
            time.sleep(0.001)
        ((unit, process, quiet_s),) = map(astuple, units_at_work(tmp_path))
        assert (unit, process) == (item, f"{socket.gethostname()}, process {os.getpid()}")
        assert 0 <= quiet_s < 60
        claim.moved()
        assert claim.quiet_s < 0.05 or began == len(noted)
    assert {item for item, _ in noted} == {"a"}
    assert all(text.startswith("no progress for 0.") for _, text in noted)


def test_units_of_processes_that_have_ended_are_not_at_work(tmp_path: Path) -> None:
    moved = int(time.time()) - 1000
    (tmp_path / "dead").write_text(f"{socket.gethostname()}, process {2**22 + 1}\n{moved}\n")
    (tmp_path / "elsewhere").write_text(f"elsewhere, process 1\n{moved}\n")
    (tmp_path / "of before").write_text("elsewhere, process 1")
    (unit,) = units_at_work(tmp_path)
    assert (unit.unit, unit.process) == ("elsewhere", "elsewhere, process 1")
    assert unit.quiet_s == pytest.approx(1000, abs=60)
    ended_s = time.time() - claims.LEASE_S - 1
    os.utime(tmp_path / "elsewhere", (ended_s, ended_s))
    assert not units_at_work(tmp_path)


def test_a_holder_without_a_sign_of_life_loses_its_claim_and_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = take(tmp_path / "a")
    assert hung is not None
    monkeypatch.setattr(claims, "LEASE_S", 0.0)
    noted: list[str] = []
    for _, claim in in_turn("a", tmp_path.joinpath, lambda _, text: noted.append(text), never):
        assert not claim.is_lost and hung.is_lost
        with pytest.raises(TakenOver):
            hung.check()
        hung.release()
        assert not claim.is_lost, "a late holder gives nothing back that is another's"
    assert "is working on it" in noted[0] and "not responded for 0 s" in noted[1]
    assert not list(tmp_path.iterdir())


def test_a_waiter_that_was_stopped_itself_waits_for_a_whole_lease_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: now_s))
    path = tmp_path / "a"
    path.touch()
    lease = claims._Lease(path)
    now_s = 2 * claims.LEASE_S
    assert not lease.has_ended(), "the holder may have been stopped with it"
    for _ in range(int(claims.LEASE_S)):
        now_s += 1
        assert not lease.has_ended()
    now_s += 1
    assert lease.has_ended()


@pytest.mark.parametrize("meanwhile", ["nothing", "the holder responds", "another takes over"])
def test_a_claim_is_taken_over_only_from_the_holder_that_was_waited_for(
    tmp_path: Path, meanwhile: str
) -> None:
    path = tmp_path / "a"
    path.touch()
    os.utime(path, (1, 1))
    lease = claims._Lease(path)
    if meanwhile == "the holder responds":
        os.utime(path)
    elif meanwhile == "another takes over":
        path.unlink()
        path.touch()
    lease.end()
    assert path.exists() == (meanwhile != "nothing")


def test_a_disk_that_cannot_tell_whose_a_claim_is_leaves_it_neither_lost_nor_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = take(tmp_path / "a")
    assert claim is not None
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_is_file", refusing(errno.EIO))
        assert not claim.is_lost
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            claim.check()
        claim.release()
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            take(tmp_path / "b")
    assert claim.path.exists(), "it may be another's"
    assert clear(tmp_path) == {"a", "b"}, "no lock is left"


def test_a_holder_that_works_long_keeps_its_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE_S", 0.5)
    beats, touch = threading.Semaphore(0), os.utime

    def counted(file: int) -> None:
        touch(file)
        beats.release()

    monkeypatch.setattr("harness.store.claims.os.utime", counted)
    for _, claim in in_turn("a", tmp_path.joinpath, lambda *_: None, never):
        lease = claims._Lease(claim.path)
        for _ in range(2 * claims._SIGNS_PER_LEASE):
            beats.acquire()
            assert not lease.has_ended()


def test_an_item_whose_claim_got_lost_comes_again_after_the_others(tmp_path: Path) -> None:
    order = []
    for item, claim in in_turn("ab", tmp_path.joinpath, lambda *_: None, never):
        if item not in order:
            claim.path.unlink()
        order.append(item)
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_everybody_works_and_no_file_of_a_live_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    paths = StorePaths(tmp_path)
    other = paths.processes_dir / "elsewhere-1"
    other.parent.mkdir()
    other.touch()
    monkeypatch.setattr("harness.store.claims.fcntl.flock", refusing(number))
    claimed = in_turn("ab", tmp_path.joinpath, lambda *_: None, never)
    assert [(item, claim.is_lost) for item, claim in claimed] == [("a", False), ("b", False)]
    assert running_processes(paths) == []
    assert other.exists()


def test_a_disk_that_fails_is_not_taken_for_one_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("harness.store.claims.fcntl.flock", refusing(errno.EIO))
        with pytest.raises(OSError, match=str(tmp_path / "a")):
            take(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr("harness.store.claims.os.pwrite", refusing(errno.ENOSPC))
        with pytest.raises(OSError, match=str(tmp_path / "b")) as caught:
            take(tmp_path / "b")
    assert disk_error(caught.value)
    assert not (tmp_path / "b").exists()


def never() -> bool:
    return False


def refusing(number: int) -> Callable[..., None]:
    """A system call that fails."""

    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def test_two_sweeps_at_once_make_every_unit_once(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []

    def work(number: int) -> None:
        for item, _ in in_turn(range(20), lambda i: tmp_path / str(i), lambda *_: None, never):
            marker = tmp_path / f"done-{item}"
            if not marker.exists():
                marker.touch()
                done.append((item, number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item for item, _ in done) == list(range(20))
