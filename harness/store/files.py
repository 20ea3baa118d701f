"""Reading a run store for reports: a file that cannot be read becomes a warning, never a crash.

A report is needed most when something went wrong, so one damaged file must not hide the others.
Each file left out is named on the page, because a missing number changes a mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from harness.core.errors import StoreError
from harness.core.typed_files import from_line, read_typed
from harness.store.paths import StorePaths

T = TypeVar("T")


class Reader:
    """Reads typed files of one sweep and collects warnings.

    Args:
        root: the sweep folder; warnings name files relative to it.
        prefix: beginning of every warning, which identifies the sweep among several.

    Attributes:
        paths: layout of the folder.
    """

    def __init__(self, root: Path, prefix: str = "") -> None:
        self.paths = StorePaths(root)
        self._warnings: dict[str, None] = {}
        self._prefix = prefix

    @property
    def warnings(self) -> list[str]:
        """One line per file or line that was left out, however often it was looked at."""
        return list(self._warnings)

    def warn(self, path: Path, text: str) -> None:
        """Add a warning about `path`."""
        name = path.relative_to(self.paths.root).as_posix()
        self._warnings[f"{self._prefix}{name}: {text}"] = None

    def read(self, path: Path, cls: type[T]) -> T | None:
        """Read a typed file; return None with a warning if it is damaged."""
        try:
            return read_typed(path, cls)
        except FileNotFoundError:  # a running sweep replaces and removes files
            self.warn(path, "vanished while it was read; left out.")
        except StoreError as error:
            self.leave_out(path, error)
        return None

    def read_lines(self, path: Path, cls: type[T]) -> Iterator[T]:
        """Yield the objects of a .jsonl file, without damaged lines, for which it warns."""
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    try:
                        yield from_line(line, cls, f"{path}: line {number}")
                    except StoreError as error:
                        self.leave_out(path, error)

    def leave_out(self, path: Path, error: StoreError) -> None:
        """Add a warning about a file, or a line of it, that cannot be read."""
        reason = str(error).removeprefix(f"{path}").removeprefix(": ").rstrip(".")
        self.warn(path, f"{reason}; left out.")
