"""Warnings of the packages that networks come from: kept in a file, not shown to the user."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from harness.core.files import cache_root

_known: set[str] = set()


def log_path() -> Path:
    """Return the file of the warnings."""
    return cache_root() / "networks.log"


@contextlib.contextmanager
def kept_in_log(network: str) -> Iterator[None]:
    """Write the warnings of a block to the log instead of the terminal, each once per process.

    These are warnings of the module `warnings`, and records of `logging` from its level WARNING,
    which `logging` prints where no handler is set up. What the block raises is passed on.

    Args:
        network: name that the lines begin with.
    """
    handler = _Collecting()
    root = logging.getLogger()
    with warnings.catch_warnings(record=True) as caught:
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            shown = [f"{w.filename}:{w.lineno}: {w.category.__name__}: {w.message}" for w in caught]
            _append(network, [*shown, *handler.lines])


class _Collecting(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(
            f"{record.pathname}:{record.lineno}: {record.name}: {self.format(record)}"
        )


def _append(network: str, lines: list[str]) -> None:
    named = dict.fromkeys(f"{network}: {' '.join(line.split())}" for line in lines)
    new = [line for line in named if line not in _known]
    if not new:
        return
    _known.update(new)
    # The log helps to understand a package; a folder that can't be written must not end a scoring.
    with contextlib.suppress(OSError):
        log_path().parent.mkdir(parents=True, exist_ok=True)
        with log_path().open("a", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{line}\n" for line in new)
