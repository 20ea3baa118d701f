"""Files that other processes read: written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.core.errors import StoreError
from harness.core.notes import note

_FICLONE = 0x40049409  # linux/fs.h
_COPY_BYTES = 2**20
_SILENT_WAIT_S = 5.0


def cache_root() -> Path:
    """Return the folder of files that can be recreated; set by LONGTAKE_CACHE."""
    if own := os.environ.get("LONGTAKE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtake"


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it can't be read for another reason.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block ends without an error.

    Readers see the old file or the whole new one. The temporary name belongs to this thread, so
    several workers may write the same file at once.

    Args:
        path: the file to write; its folder is created.
        durable: wait until the content is on disk, so that it survives a power failure. False for
            files that are cheap to recreate.
    """
    # Not tempfile: its files are readable by their owner only.
    writer = f"{socket.gethostname()}-{threading.get_ident()}-{os.getpid()}"
    temporary = path.with_name(f".{path.stem}-{writer}{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        # Some libraries make files that only their owner can read; the user's umask decides.
        temporary.chmod(mode)
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file; if the file system can, both share their blocks on disk.

    A hard link would not do: a program that writes `source` in place would change `target` too.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:  # another file system, or one without shared blocks
            shutil.copyfileobj(reader, writer, _COPY_BYTES)


def remove_leftovers(folder: Path, below: bool = True) -> None:
    """Remove temporary files in `folder` of processes of this machine that died writing.

    Args:
        folder: the folder; it may be missing.
        below: in all folders below it as well.
    """
    import psutil  # not where the GPU self-test runs with torch alone

    pattern = f".*-{socket.gethostname()}-*"
    for path in folder.rglob(pattern) if below else folder.glob(pattern):
        pid = path.stem.rpartition("-")[2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a block that reads, changes and writes files.

    Whoever has waited for some seconds says on standard error for which file, and for whom.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            timer = threading.Timer(_SILENT_WAIT_S, _say_who_is_waited_for, (file, path))
            timer.daemon = True
            timer.start()
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            finally:
                timer.cancel()
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Lock a file as `locked` does, but yield False at once if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _say_who_is_waited_for(file: IO[str], path: Path) -> None:
    found = os.fstat(file.fileno())
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    who = "another process"
    with contextlib.suppress(OSError):  # not Linux
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: FLOCK ADVISORY WRITE 4321 08:01:1234 0 EOF; with an arrow, a process that waits.
            columns = line.split()
            if columns[1] == "FLOCK" and columns[5] == device and int(columns[4]) > 0:
                who = f"process {columns[4]}"
    note(f"waiting for {path}, which {who} has locked")


def write_text(path: Path, text: str) -> os.stat_result:
    """Write a text file atomically.

    Returns:
        Size and time of this file, also if another writer has replaced it since.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        return temporary.stat()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=False) + "\n")
