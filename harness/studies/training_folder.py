"""The files that all trainings write: training.json and curves.csv.

training.json is written last, so the other files are complete once it names a step.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError
from harness.core.files import write_text
from harness.core.typed_files import read_typed, write_typed

STATE = "training.json"


@dataclass(frozen=True)
class TrainingState:
    """Content of training.json.

    Attributes:
        command: the command line that wrote the folder.
        deciding: settings that determine the weights, and `corpus_sha256`.
        backbones: fingerprints of the backbones of the corpus.
        step: steps done.
        steps: steps requested.
        files: sha256 of the results at that step, by name.
    """

    command: list[str]
    deciding: dict[str, Any]
    backbones: Sequence[str]
    step: int
    steps: int
    files: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write training.json."""
        write_typed(folder / STATE, self)

    @classmethod
    def read(cls, folder: Path) -> TrainingState | None:
        """Read training.json; None if there is none.

        Raises:
            StoreError: it is damaged, so that training has to start over.
        """
        try:
            return read_typed(folder / STATE, cls)
        except FileNotFoundError:
            return None

    def damaged(self, folder: Path) -> str | None:
        """Return a line about a result that is not what was written; None if all are.

        Before the last step, results may be newer than training.json.
        """
        if self.step < self.steps:
            return None
        found = digests(folder, list(self.files))
        for name, sha256 in self.files.items():
            if found.get(name) != sha256:
                return f"{folder / name}: damaged (checksum mismatch); training starts over."
        return None


@contextmanager
def starting_over(on_damage: Callable[[str], None]) -> Iterator[None]:
    """Run a block that restores a state; say so if that can't be read, and go on without it."""
    try:
        yield
    except FileNotFoundError:
        pass
    except StoreError as error:
        on_damage(f"{str(error).rstrip('.')}; training starts over.")


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


def digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the sha256 of those of the named files that exist."""
    paths = [folder / name for name in names if (folder / name).is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def write_curves(folder: Path, lines: Sequence[Mapping[str, float]]) -> None:
    """Write curves.csv: one line per validation, with the same keys in each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(folder / "curves.csv", text.getvalue())
