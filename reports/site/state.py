"""The state of a report: what it was made from, so that only what changed is made again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import reports
from eval.metric import MetricInfo
from harness.core.durations import WHOLE_S, plain_duration
from harness.core.environment import package_versions
from harness.core.errors import StoreError
from harness.core.files import read_bytes, replacing
from harness.core.typed_files import from_line, to_line
from reports.site.inputs import digest
from reports.site.unit_digests import UnitDigests, file_stems
from reports.tables.table import Comparison, Group

# The rooms that a report may import from: their code, and their data as text.
_ROOMS = (
    *("harness/core", "methods", "backbones", "eval", "harness/config", "harness/store"),
    *("harness/run", "reports"),
)
_SUFFIXES = (".py", ".js", ".css", ".j2", ".yaml", ".json")
_COUNTED = ("data", "data/units", "data/videos", "strips", "laps", "videos", "files", "ablation")


@dataclass(frozen=True)
class KeptTable:
    """A table whose duration is as JSON has it: seconds, or "whole"."""

    suite: str
    version: str
    duration_s: float | Literal["whole"]
    metrics: tuple[MetricInfo, ...]
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, table: Comparison) -> KeptTable:
        """Return what is kept of a table."""
        duration_s = plain_duration(table.duration_s)
        return cls(table.suite, table.version, duration_s, table.metrics, table.groups)

    def comparison(self) -> Comparison:
        """Return the table."""
        duration_s = WHOLE_S if isinstance(self.duration_s, str) else self.duration_s
        return Comparison(self.suite, self.version, duration_s, self.metrics, self.groups)


@dataclass(frozen=True)
class State:
    """A finished report, written into its folder as state.json.

    Attributes:
        setting: digest of the code, the options, and all other inputs but the files of run stores.
        files: of `reports.site.inputs.fingerprint`; empty if the report has to be made again even
            if they stay as they are.
        pages: digests of what the page of each unit was made from.
        page_warnings: warnings of the pages.
        num_files: files of each folder of the report.
        figures: by figure what it was drawn from.
        tables, plots, ablations: addresses seen from the page.
        counts, settled, headline, comparisons: of `ReportPaths`.
    """

    setting: str
    files: str
    pages: UnitDigests
    page_warnings: dict[str, tuple[str, ...]]
    num_files: dict[str, int]
    figures: dict[str, str]
    tables: tuple[str, ...]
    plots: tuple[str, ...]
    ablations: tuple[str, ...]
    counts: dict[str, int]
    settled: bool
    headline: str
    comparisons: tuple[KeptTable, ...]

    def is_whole(self, out: Path) -> bool:
        """Check if all its files are still there."""
        named = ("index.html", "data/site.js", *self.tables, *self.plots, *self.ablations)
        there = all((out / address).is_file() for address in named)
        return there and self.num_files == count_files(out)


def read_state(out: Path) -> State | None:
    """Return the state of the report in a folder; None without one, or one that can't be read."""
    try:
        return from_line(read_bytes(_path(out)), State, "state.json", sealed=True)
    except (FileNotFoundError, StoreError):
        return None


def write_state(out: Path, state: State) -> None:
    """Write the state of a finished report."""
    with replacing(_path(out), durable=False) as fresh:
        fresh.write_bytes(to_line(state))  # on one line, as it is long


def remove_state(out: Path) -> None:
    """Forget the earlier report: it is about to be overwritten."""
    _path(out).unlink(missing_ok=True)


def count_files(out: Path) -> dict[str, int]:
    """Return the number of entries of each folder of a report."""
    folders = {name: out / name for name in _COUNTED}
    return {
        name: sum(1 for _ in file_stems(folder, ""))
        for name, folder in folders.items()
        if folder.is_dir()
    }


@cache
def code_digest() -> str:
    """Return a digest of the code that reports are made with, and of the versions of packages."""
    texts = (path.read_text(encoding="utf-8") for path in code_files())
    return digest(str(package_versions()), *texts)


def code_files() -> list[Path]:
    """Return the files of Longtake that may change a report."""
    root = Path(next(iter(reports.__path__))).parent
    files = (path for room in _ROOMS for path in (root / room).rglob("*"))
    return sorted(path for path in files if path.suffix in _SUFFIXES)


def _path(out: Path) -> Path:
    return out / "state.json"
