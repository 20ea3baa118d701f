"""Files are replaced whole, with the modes the user's umask gives."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from harness.core.files import locked, remove_leftovers, replacing, write_json, write_text


def test_a_wait_for_a_lock_names_file_and_process_once_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".lock"

    def wait() -> None:
        with locked(path):
            pass

    for patience_s in (60.0, 0.0):
        monkeypatch.setattr("harness.core.files._SILENT_WAIT_S", patience_s)
        waiting, said = threading.Thread(target=wait), ""
        with locked(path):
            waiting.start()
            while patience_s == 0 and not said:
                said = capsys.readouterr().err
        waiting.join()
    assert said == f"waiting for {path}, which process {os.getpid()} has locked\n"
    assert not capsys.readouterr().err


def test_a_file_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_json(path, {"a": 1})
    write_text(path, "second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [True, False])
def test_modes_follow_the_umask(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.txt"
    before = os.umask(0o027)
    try:
        with replacing(path, durable) as temporary:
            temporary.write_text("text")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_only_a_durable_write_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for durable, count in ((False, 0), (True, 1)):
        with replacing(tmp_path / "a.txt", durable) as temporary:
            temporary.write_text("text")
        assert len(synced) == count


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    texts = [str(number) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_text, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    with replacing(tmp_path / "unit" / "a.json") as alive:
        alive.write_text("half")
        abandoned = alive.with_name(alive.name.replace(str(os.getpid()), str(dead.pid)))
        abandoned.write_text("half")
        remove_leftovers(tmp_path)
        assert alive.exists()
        assert not abandoned.exists()
