"""The scratch file of keys and values, and the thread that writes and reads it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path

import torch


class ScratchFile:
    """A file without a name that holds slabs by number; it disappears with the process.

    Args:
        num_bytes: size of a slab.
        folder: folder of the file, which is made with its first slab.
    """

    def __init__(self, num_bytes: int, folder: Path) -> None:
        self._num_bytes, self._folder = num_bytes, folder
        self._file: FileIO | None = None

    def write(self, number: int, slab: torch.Tensor) -> None:
        """Write a slab that lies in host memory.

        Raises:
            OSError: the disk is full; it names the folder.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115 - open until `close`
                    dir=self._folder, prefix="longtake-kv-", buffering=0
                )
            rest, offset = _bytes_of(slab), number * self._num_bytes
            while rest:
                written = os.pwrite(self._file.fileno(), rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error

    def read(self, number: int, slab: torch.Tensor) -> None:
        """Fill a slab in host memory with one that was written."""
        assert self._file is not None
        rest, offset = _bytes_of(slab), number * self._num_bytes
        while rest:
            read = os.preadv(self._file.fileno(), [rest], offset)
            assert read > 0, "a slab is read after it was written"
            rest, offset = rest[read:], offset + read

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()


def _bytes_of(slab: torch.Tensor) -> memoryview:
    return slab.flatten().view(torch.uint8).numpy().data


class Job:
    """Work of a `FileThread`."""

    def __init__(self, future: Future[None]) -> None:
        self._future = future

    def wait(self) -> None:
        """Wait for its end; raises its error."""
        self._future.result()


class FileThread:
    """A thread that does its jobs in the order in which they are given."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "kv file")  # begins with the first job

    def start(self, work: Callable[[], None]) -> Job:
        """Give it a job."""
        return Job(self._thread.submit(work))

    def close(self) -> None:
        """Drop the jobs that have not begun, and wait for the one that has."""
        self._thread.shutdown(cancel_futures=True)
