"""Reads the files of a run store. What cannot be read becomes a one-line warning, never a crash.

A report is wanted most when something went wrong, so one torn file must not hide the others; and
because a missing number changes a mean, each file left out is named on the page.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core.errors import LongtakeError, unknown_name

SCHEMA = 1
"""The version of record.json and of the metric files this room reads."""


class Reader:
    """Reads JSON below one sweep folder and collects warnings.

    Attributes:
        root: the sweep folder; warnings name files relative to it.
        prefix: what warnings begin with, to tell several sweeps apart.
        warnings: one line per file or line that was left out.
    """

    def __init__(self, root: Path, prefix: str = "") -> None:
        self.root = root
        self.prefix = prefix
        self.warnings: list[str] = []

    def warn(self, path: Path, text: str) -> None:
        """Note that something of `path` was left out."""
        self.warnings.append(f"{self.prefix}{path.relative_to(self.root).as_posix()}: {text}")

    def json(self, path: Path) -> dict[str, Any] | None:
        """The object in `path`; None with a warning when it is not one."""
        try:
            content = json.loads(path.read_bytes())
        except ValueError as error:
            self.warn(path, f"not valid JSON ({error}); left out.")
            return None
        except FileNotFoundError:  # a store that is being written replaces and removes files
            self.warn(path, "vanished while it was read; left out.")
            return None
        if not isinstance(content, dict):
            self.warn(path, "not a JSON object; left out.")
            return None
        return content

    def versioned(self, path: Path) -> dict[str, Any] | None:
        """Like `json`, and the object must carry the schema version this room reads."""
        content = self.json(path)
        if content is not None and content.get("schema") != SCHEMA:
            self.warn(path, f"schema {content.get('schema')!r}, expected {SCHEMA}; left out.")
            return None
        return content

    def json_lines(self, path: Path) -> list[dict[str, Any]]:
        """The objects of a .jsonl file; lines that are none are left out with a warning."""
        objects = []
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                content = json.loads(line)
            except ValueError:
                content = None
            if isinstance(content, dict):
                objects.append(content)
            else:
                self.warn(path, f"line {number} is not a JSON object; left out.")
        return objects


def require_sweep(folder: Path) -> None:
    """Check that `folder` is a sweep of a run store.

    Raises:
        LongtakeError: no such folder (with the nearest sweep beside it), or a file is missing.
    """
    if not folder.is_dir():
        siblings = folder.parent.glob("*/sweep.yaml") if folder.parent.is_dir() else ()
        raise unknown_name("sweep", folder.name, [header.parent.name for header in siblings])
    for name in ("sweep.yaml", "units.jsonl"):
        if not (folder / name).is_file():
            raise LongtakeError(f"{folder} is not a sweep: expected a file {name} in it.")
