"""The file sweep.yaml: every command of a sweep, and the versions it ran with."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import StoreError
from harness.core.files import read_bytes, write_text
from harness.core.typed_files import from_plain, to_plain
from harness.core.untyped import read_yaml

COMMAND = ("python", "-m", "harness")
"""The words that all noted command lines begin with."""
_DIGEST = re.compile(rb"^# sha256: ([0-9a-f]{64})\s*\Z", re.MULTILINE)
UNKNOWN_REVISION = "unknown (not run from a checkout)"


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        time: time of its last run, UTC.
        argv: the command line.
        configs: resolved settings of each requested row.
        folder: the working folder; empty if it was not noted.
    """

    time: str
    argv: tuple[str, ...]
    configs: tuple[dict[str, Any], ...] = ()
    folder: str = ""

    @property
    def rows(self) -> frozenset[tuple[str, str]]:
        """Labels (backbone, method) of the requested rows."""
        return frozenset(
            (str(config["backbone"]["label"]), str(config["method"]["label"]))
            for config in self.configs
        )

    @property
    def suites(self) -> frozenset[str]:
        """Names of the requested suites; "module:Class" is named by its last part."""
        return frozenset(suite for config in self.configs for suite in _suites(config))


@dataclass(frozen=True)
class Header:
    """The content of sweep.yaml.

    Attributes:
        name: name of the sweep.
        created: time of its first command, UTC.
        commands: all commands, the newest last.
        revision: commit of the code; None when it did not run from a checkout.
        versions: versions of packages; None for those that are not installed.
        num_lines: lines that units.jsonl was written with; None for an older store.
    """

    name: str
    created: str
    commands: tuple[Command, ...]
    revision: str | None
    versions: dict[str, str | None]
    num_lines: int | None = None

    def lost_lines(self, found: int) -> str | None:
        """Return a sentence on the lines that units.jsonl lacks; None if all were found."""
        lost = (self.num_lines or 0) - found
        if lost <= 0:
            return None
        return f"{lost} of {self.num_lines} lines are missing: removed by hand, or lost"

    @property
    def durations_s(self) -> list[float]:
        """All requested durations, in seconds."""
        configs = [config for command in self.commands for config in command.configs]
        return sorted({float(d) for config in configs for d in config.get("duration") or ()})

    def longest_s(self, suite: str | None = None) -> dict[tuple[str, str], float]:
        """Return the seconds that every video of a row (backbone, method) has to reach.

        Commands may ask for some prompts or seeds only. Each video is one of those of some command,
        which are compared as a whole: the shortest of their lengths holds for all.

        Args:
            suite: only the seconds that this suite has to score.
        """
        found: dict[tuple[str, str], dict[str, float]] = {}
        for config in (config for command in self.commands for config in command.configs):
            row = str(config["backbone"]["label"]), str(config["method"]["label"])
            videos = str(((config.get("prompts") or {}).get("sha256"), config.get("seed")))
            asked = suite is None or suite in _suites(config)
            durations_s = map(float, config.get("duration") or ()) if asked else ()
            of_row = found.setdefault(row, {})
            of_row[videos] = max(of_row.get(videos, 0.0), 0.0, *durations_s)
        return {row: min(of_row.values()) for row, of_row in found.items()}


def _suites(config: dict[str, Any]) -> list[str]:
    """Return the names of the suites of a row; "module:Class" is named by its last part."""
    return [str(suite).rpartition(":")[2] for suite in config.get("suite") or ()]


def read_header(path: Path) -> Header:
    """Read a sweep.yaml.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: the file is damaged.
    """
    _check_digest(path)
    header = from_plain(read_yaml(path), Header, f"{path} is not a sweep header")
    try:
        _ = [(command.rows, command.suites) for command in header.commands], header.longest_s()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is not a sweep header: configs, {error!r}.") from error
    return header


def lost_beside_others(path: Path, header: Header, found: int) -> str | None:
    """Return a sentence on the lines that units.jsonl lacks; None if all were found.

    Another command writes the lines first where they become more, the header first where they
    become fewer: if it has changed the header by now, nothing needs to be lost.

    Args:
        path: the sweep.yaml.
        header: what was read from it, before units.jsonl.
        found: lines of units.jsonl.
    """
    lost = header.lost_lines(found)
    try:
        return lost if lost and read_header(path) == header else None
    except (OSError, StoreError):
        return lost


def write_header(path: Path, header: Header) -> None:
    """Write a sweep.yaml with its digest in a last line, atomically."""
    text = yaml.safe_dump(to_plain(header), sort_keys=False, allow_unicode=True)
    write_text(path, f"{text}# sha256: {hashlib.sha256(text.encode()).hexdigest()}\n")


def _check_digest(path: Path) -> None:
    """Refuse a file that changed since it was written; one written by hand has no digest."""
    data = read_bytes(path)
    end = _DIGEST.search(data)
    if end and hashlib.sha256(data[: end.start()]).hexdigest() != end[1].decode():
        raise StoreError(
            f"{path}: damaged (checksum mismatch). Run the sweep command again to repair it."
        )
