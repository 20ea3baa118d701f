"""Errors of the disk, after which every other write would fail as well."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from harness.core.errors import DiskError

_END_OF_TRACE_BYTES = 4096
_REASONS = {
    errno.ENOSPC: "No space is left on the disk",
    errno.EDQUOT: "The disk quota is used up",
    errno.EROFS: "The file system is read-only",
    errno.EFBIG: "A file would exceed the limit on file size (ulimit -f)",
}


def disk_error(error: BaseException | None, folder: Path | None = None) -> DiskError | None:
    """Return the failure of the disk behind an error; None if it is about something else.

    Args:
        error: the error; its causes are examined as well.
        folder: where was written, if known, in case the error names no file.
    """
    while error is not None:
        if isinstance(error, DiskError):
            return error
        if reason := _REASONS.get(_number(error)):
            place = getattr(error, "filename", None) or folder
            where = f": {place}{_free(Path(os.fsdecode(place)))}" if place else ""
            return DiskError(
                f"{reason}{where}. Finished work is kept; once this is solved, the same command "
                "continues."
            )
        error = error.__cause__ if error.__cause__ is not error else None
    return None


def is_disk_text(text: str) -> bool:
    """Return whether a message is that of a `disk_error`, as another process printed it."""
    return text.startswith(tuple(_REASONS.values()))


def check_trace(path: Path) -> None:
    """Check that torch's profiler wrote a trace to its end; it says nothing when the disk is full.

    Raises:
        DiskError: it did not.
    """
    try:
        with path.open("rb") as file:
            file.seek(-min(path.stat().st_size, _END_OF_TRACE_BYTES), os.SEEK_END)
            end = file.read().rstrip()
    except OSError:
        end = b""
    if b'"traceName"' not in end or not end.endswith(b"}"):
        raise DiskError(
            f"The profile {path}{_free(path)} was not written to its end; all else is complete."
        )


def free_bytes(place: Path) -> int | None:
    """Return the free space where a file is to be written; None if unknown.

    A quota of the user is not known here: less may be free for them.
    """
    place = place.absolute()
    for folder in (place, *place.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return None


def _free(place: Path) -> str:
    """Return the free space where a file was to be written, " (12 MiB free)"; empty if unknown."""
    free = free_bytes(place)
    return "" if free is None else f" ({free // 2**20} MiB free)"


def _number(error: BaseException) -> int:
    """Return the system's number of an error; 0 if it has none."""
    if isinstance(error, OSError):
        return error.errno or 0
    # safetensors is written in Rust and gives the number only in its text.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else 0
