"""The two files of a training's folder that resuming reads: training.json and curves.csv.

training.json is written last, so the other files are complete once it names a step.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError
from harness.core.files import write_text
from harness.core.typed_files import read_typed, write_typed


@dataclass(frozen=True)
class TrainingState:
    """Content of training.json.

    Attributes:
        command: the command line that wrote the folder.
        deciding: settings that determine the weights, and `corpus_sha256`.
        backbones: fingerprints of the backbones of the corpus.
        step: steps done.
        steps: steps requested.
    """

    command: list[str]
    deciding: dict[str, Any]
    backbones: Sequence[str]
    step: int
    steps: int

    def write(self, folder: Path) -> None:
        """Write training.json."""
        write_typed(folder / "training.json", self)

    @classmethod
    def read(cls, folder: Path) -> TrainingState | None:
        """Read training.json; None if it is missing or damaged, so that training starts over."""
        try:
            return read_typed(folder / "training.json", cls)
        except (FileNotFoundError, StoreError):
            return None


def first_difference(
    found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> str | None:
    """Return the first setting that differs, as "loss.margin is 0.7, not 0.85"; None if equal."""
    # Through JSON, because `found` was read from a file: tuples and enums have become plain values.
    for key, value in json.loads(json.dumps(wanted)).items():
        other = found.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            if nested := first_difference(other, value, f"{prefix}{key}."):
                return nested
        elif other != value:
            return f"{prefix}{key} is {other}, not {value}"
    return None


def read_curves(folder: Path) -> list[dict[str, float]]:
    """Read curves.csv; empty if the run was stopped before its first validation."""
    path = folder / "curves.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [row | {"step": int(row["step"])} for row in rows]


def write_curves(folder: Path, lines: Sequence[Mapping[str, float]]) -> None:
    """Write curves.csv: one line per validation, with the same keys in each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(folder / "curves.csv", text.getvalue())
