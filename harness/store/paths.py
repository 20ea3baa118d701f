"""The layout of a run store: the only place that defines the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.core.names import suite_stem

TRACE, RECORD, LATENTS = "trace.jsonl", "record.json", "latents.safetensors"
_FAILURE = "failure"


@dataclass(frozen=True)
class StorePaths:
    """Paths below the folder of one sweep; none of them needs to exist.

    Attributes:
        root: folder of the sweep.
    """

    root: Path

    @property
    def header_path(self) -> Path:
        """File of the commands that worked on the sweep."""
        return self.root / "sweep.yaml"

    @property
    def experiment_path(self) -> Path:
        """File of the experiment that the sweep belongs to, if any."""
        return self.root / "experiment.json"

    @property
    def unit_lines_path(self) -> Path:
        """File of the units and their rows."""
        return self.root / "units.jsonl"

    @property
    def stages_path(self) -> Path:
        """File of the seconds of each stage of each command."""
        return self.root / "stages.jsonl"

    @property
    def processes_dir(self) -> Path:
        """Folder with a file for each process that works on the sweep."""
        return self.root / "processes"

    @property
    def lock_path(self) -> Path:
        """File that is locked while the header and the unit lines change."""
        return self.root / ".lock"

    @property
    def claims_dir(self) -> Path:
        """Folder of the claims of units, there only while processes work."""
        return self.root / ".claims"

    @property
    def units_dir(self) -> Path:
        """Folder with one folder per unit."""
        return self.root / "units"

    @property
    def metrics_dir(self) -> Path:
        """Folder with one folder of score files per suite."""
        return self.root / "metrics"

    @property
    def index_dir(self) -> Path:
        """Folder of the index of records and scores, which can be lost."""
        return self.root / "index"

    @property
    def workspace(self) -> Path:
        """Folder of intermediate files of scoring: encoded clips, outputs of networks."""
        return self.root / "scoring"

    @property
    def report_dir(self) -> Path:
        """Folder of the leaderboard."""
        return self.root / "report"

    def unit_dir(self, unit_id: str) -> Path:
        """Return the folder of one unit."""
        return self.units_dir / unit_id

    def record_path(self, unit_id: str) -> Path:
        """Return the path of the record, whose existence means that the unit is done."""
        return self.unit_dir(unit_id) / RECORD

    def trace_path(self, unit_id: str) -> Path:
        """Return the file of the plans of a unit."""
        return self.unit_dir(unit_id) / TRACE

    def latents_path(self, unit_id: str) -> Path:
        """Return the file of all clean latents of a unit."""
        return self.unit_dir(unit_id) / LATENTS

    def partial_dir(self, unit_id: str) -> Path:
        """Return the folder of the chunks of an unfinished unit."""
        return self.unit_dir(unit_id) / "partial"

    def claim_path(self, unit_id: str) -> Path:
        """Return the file that the process working on a unit holds locked."""
        return self.claims_dir / unit_id

    def chunk_path(self, unit_id: str, first_frame: int) -> Path:
        """Return the file of the clean latents from `first_frame` on."""
        return self.partial_dir(unit_id) / f"{first_frame:06d}.safetensors"

    def chunk_paths(self, unit_id: str) -> list[Path]:
        """Return the chunks of an unfinished unit, in order of time."""
        paths = self.partial_dir(unit_id).glob("*.safetensors")
        return sorted(path for path in paths if path.stem.isdecimal())

    def failure_path(self, item: str) -> Path:
        """Return the failure report of an item: a unit, or "suite:unit" for its scoring."""
        entry, colon, unit_id = item.rpartition(":")
        suite = f".{suite_stem(entry)}" if colon else ""
        return self.unit_dir(unit_id) / f"{_FAILURE}{suite}.json"

    def first_failure_path(self, unit_id: str) -> Path | None:
        """Return a failure report of a unit; that of generation precedes those of scoring."""
        making = self.failure_path(unit_id)
        if making.is_file():
            return making
        return next(iter(sorted(self.unit_dir(unit_id).glob(f"{_FAILURE}.*.json"))), None)

    def suites(self) -> list[str]:
        """Return the names of the suites with score files."""
        return sorted(path.name for path in self.metrics_dir.glob("*") if path.is_dir())

    def suite_dir(self, suite: str) -> Path:
        """Return the folder of the score files of a suite."""
        return self.metrics_dir / suite

    def scores_path(self, suite: str, unit_id: str) -> Path:
        """Return the file of the scores of a unit."""
        return self.suite_dir(suite) / f"{unit_id}.json"

    def rows_path(self, suite: str) -> Path:
        """Return the file of the numbers of whole rows."""
        return self.metrics_dir / f"{suite}.rows.json"

    def cross_check_path(self, suite: str) -> Path:
        """Return the file of the comparison with the official code."""
        return self.metrics_dir / f"{suite}.cross_check.json"
