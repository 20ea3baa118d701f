"""One sweep folder as pandas frames in long form. The files are the only source of truth.

The same unit may stand in two rows of a table (two labels, one identity), so `units` has one line
per unit and row, while `scores`, `curves` and `timings` are keyed by unit alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from harness.errors import LongtakeError
from reports.files import Reader, require_sweep
from reports.scores import MetricInfo, load_scores

LABELS = ["unit_id", "backbone", "method", "prompt_id", "prompt", "seed"]
ROW = ["backbone", "method"]
# Columns of `Sweep.units` that come from the record; empty for a unit without one.
TEXTS = ["status", "reason", "device", "video", "video_sha256"]
NUMBERS = [
    "num_latents",
    "num_frames",
    "fps",
    "duration_s",
    "peak_host_mib",
    "peak_device_mib",
]


@dataclass(frozen=True)
class Command:
    """One command that worked on the sweep."""

    time: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Header:
    """What sweep.yaml says: where the numbers come from. Packages not installed are left out."""

    name: str
    created: str
    revision: str
    versions: dict[str, str]
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Sweep:
    """Everything of one run store that reports need.

    Attributes:
        folder: the sweep folder.
        header: the content of sweep.yaml.
        units: one line per unit and table row: `LABELS`, `TEXTS` (status is done, failed or
            missing; reason says why not done) and `NUMBERS`.
        scores: suite, unit_id, duration_s, metric, value (NaN when null), reason.
        curves: suite, unit_id, metric, start_s, end_s, value; clips of the longest duration only.
        timings: unit_id, stage, seconds.
        metrics: what each metric of each suite is, in the order of the files.
        versions: the suite versions met, per suite.
        warnings: one line per file that was left out.
    """

    folder: Path
    header: Header
    units: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    timings: pd.DataFrame
    metrics: dict[str, dict[str, MetricInfo]]
    versions: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...]

    @property
    def backbones(self) -> list[str]:
        """Backbone labels in the order of the sweep."""
        return list(self.units["backbone"].unique())

    @property
    def methods(self) -> list[str]:
        """Method labels in the order of the sweep."""
        return list(self.units["method"].unique())

    @property
    def whole_timings(self) -> pd.DataFrame:
        """The timings of the units made in one go.

        A unit that was resumed after a stop replays its first blocks, so its seconds are not those
        of a rollout, and mean speeds leave it out.
        """
        resumed = self.timings.loc[self.timings["stage"] == "replay", "unit_id"]
        return self.timings[~self.timings["unit_id"].isin(resumed)]

    def rows(self) -> Iterator[tuple[str, str, pd.DataFrame]]:
        """The units of every table row (backbone, method), in the order of the sweep."""
        for (backbone, method), units in self.units.groupby(ROW, sort=False):
            yield str(backbone), str(method), units


def as_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The lines of a frame, as plain Python values."""
    return [{str(name): value for name, value in line.items()} for line in frame.to_dict("records")]


def load_sweep(folder: Path) -> Sweep:
    """Read a sweep folder.

    Raises:
        LongtakeError: `folder` is not a sweep, or lists no unit.
    """
    folder = Path(folder).resolve()
    require_sweep(folder)
    reader = Reader(folder)
    header = _header(folder / "sweep.yaml")
    labels = _labels(reader, folder / "units.jsonl")
    records = {unit_id: _record(reader, unit_id) for unit_id in labels["unit_id"].unique()}
    outcomes = pd.DataFrame(
        [{"unit_id": unit_id, **outcome} for unit_id, (outcome, _) in records.items()],
        columns=["unit_id", *TEXTS, *NUMBERS],
    ).astype(dict.fromkeys(NUMBERS, float))
    timings = pd.DataFrame(
        [
            {"unit_id": unit_id, "stage": stage, "seconds": seconds}
            for unit_id, (_, stages) in records.items()
            for stage, seconds in stages.items()
        ],
        columns=["unit_id", "stage", "seconds"],
    )
    sha256 = {
        unit_id: outcome["video_sha256"]
        for unit_id, (outcome, _) in records.items()
        if outcome["status"] == "done"
    }
    measured = load_scores(reader, sha256)
    return Sweep(
        folder=folder,
        header=header,
        units=labels.merge(outcomes, on="unit_id", how="left"),
        scores=measured.scores,
        curves=measured.curves,
        timings=timings,
        metrics=measured.metrics,
        versions=measured.versions,
        warnings=tuple(reader.warnings),
    )


def _header(path: Path) -> Header:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Header(
            name=str(content["name"]),
            created=str(content["created"]),
            revision=content["revision"] or "unknown (not run from a checkout)",
            versions={name: version for name, version in content["versions"].items() if version},
            commands=tuple(
                Command(str(command["time"]), tuple(str(word) for word in command["argv"]))
                for command in content["commands"]
            ),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        line = " ".join(str(error).split())
        raise LongtakeError(f"{path} is not a sweep header: {line}.") from error


def _labels(reader: Reader, path: Path) -> pd.DataFrame:
    lines = []
    for line in reader.json_lines(path):
        if set(LABELS) <= set(line):
            lines.append({name: line[name] for name in LABELS})
        else:
            reader.warn(path, f"a unit without {sorted(set(LABELS) - set(line))}; left out.")
    if not lines:
        raise LongtakeError(f"{path} lists no unit; run the sweep first.")
    # A repeated command appends the same units again.
    return pd.DataFrame(lines).drop_duplicates(["unit_id", *ROW], ignore_index=True)


def _record(reader: Reader, unit_id: str) -> tuple[dict[str, Any], dict[str, float]]:
    """What became of a unit, and its timings in seconds by stage."""
    folder = reader.root / "units" / unit_id
    path = folder / "record.json"
    if not path.is_file():
        return _without_record(reader, folder), {}
    record = reader.versioned(path)
    if record is None:
        return {"status": "failed", "reason": "record.json cannot be read"}, {}
    try:
        outcome = {
            "status": "done",
            "reason": None,
            "num_latents": record["num_latents"],
            "num_frames": record["num_frames"],
            "fps": record["fps"],
            "duration_s": record["duration_s"],
            "peak_host_mib": record["memory_mib"]["peak_host"],
            "peak_device_mib": record["memory_mib"]["peak_device"],
            "device": record["environment"]["gpu"] or record["environment"]["host_cpu"],
            "video": record["video"]["file"],
            "video_sha256": record["video"]["sha256"],
        }
        timings = {
            stage: value for stage, value in record["timings_s"].items() if value is not None
        }
    except (KeyError, TypeError, AttributeError) as error:
        reader.warn(path, f"not a record, {error!r}; left out.")
        return {"status": "failed", "reason": "record.json is not a record"}, {}
    return outcome, timings


def _without_record(reader: Reader, folder: Path) -> dict[str, Any]:
    path = folder / "failure.json"
    if not path.is_file():
        return {"status": "missing", "reason": "not run yet, or still running"}
    failure = reader.json(path)
    error = str((failure or {}).get("error", "failure.json cannot be read")).strip()
    return {"status": "failed", "reason": error.splitlines()[0] if error else "no error text"}
