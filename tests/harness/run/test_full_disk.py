"""A disk that takes no more stops a sweep; the same command goes on later."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.store.record import Record
from harness.store.run_store import RunStore
from tests.harness.support import records, sweep

pytestmark = pytest.mark.slow

STORE = Path("runs/main")


@contextlib.contextmanager
def file_size_limit(num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the kernel refuse larger files, here and in child processes, as a full disk does."""
    # Python would put a cut .pyc in place without noticing, and no later import could read it.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("executor", ["inline", "processes"])
@pytest.mark.parametrize("limit_bytes", [20_000, 150_000], ids=["video", "latents"])
def test_a_refused_write_stops_the_sweep_and_leaves_nothing_half_written(
    cli, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, executor: str
) -> None:
    settings = ("duration=9", "save_every_blocks=2", f"executor={executor}")
    arguments = sweep("method=rag", "seed=0,1", *settings)
    with file_size_limit(limit_bytes, monkeypatch):
        result = cli(*arguments)
    assert result.code == 3, result
    assert result.err.startswith("error: A file would exceed the limit on file size")
    assert " MiB free). " in result.err
    assert result.err.rstrip().endswith(f"continues. python -m harness {shlex.join(arguments)}")
    assert result.err.count("\n") == 1
    assert "FAILED" not in result.out
    assert not records(STORE)
    assert not list(STORE.rglob("failure*.json"))
    assert not list(STORE.rglob("video.mp4"))
    assert not [path for path in STORE.rglob(".*") if path.name != ".lock"]
    assert cli(*arguments).code == 0
    assert len(records(STORE)) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_finished_units_stay_when_the_disk_fills_up(
    cli, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_record, written = RunStore.write_record, []

    def full_after_one(store: RunStore, record: Record) -> None:
        if written:
            raise OSError(number, os.strerror(number), str(store.root / "record.json"))
        written.append(record.unit_id)
        write_record(store, record)

    arguments = sweep("method=sliding_window,rag,oldest", "duration=0.75")
    with monkeypatch.context() as patched:
        patched.setattr(RunStore, "write_record", full_after_one)
        result = cli(*arguments)
    assert result.code == 3
    assert result.err.startswith("error: ") and "record.json" in result.err
    assert result.err.count("\n") == 1
    assert list(records(STORE)) == written
    assert not list(STORE.rglob("failure*.json"))
    assert cli(*arguments).code == 0
    assert len(records(STORE)) == 3


def test_a_disk_that_is_full_while_scoring_writes_no_null(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = [*sweep("method=rag"), "suite=sharpness_retention"]
    with monkeypatch.context() as patched:
        patched.setattr("eval.metrics.pixels.SharpnessRetention.measure", full)
        assert cli(*arguments).code == 3
    assert not list(STORE.glob("metrics/*/*.json"))
    assert cli(*arguments).code == 0
