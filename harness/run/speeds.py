"""Speeds of earlier sweeps, read from their records: of generating, scoring and reports.

Sweeps that are being deleted, and records that don't tell a speed, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from harness.store.record import Record
from harness.store.run_store import RunStore
from harness.store.stage_times import read_stage_times

_SWEEPS_READ = 20  # the newest
_REPORT_UNIT_S = 0.004  # of each unit, measured at 1,024 to 20,480 units; the rest is constant
_FILES_READ = 100  # of each sweep; more would not change a median


def pair_key(identity: dict[str, Any]) -> str:
    """Return the key of a speed: backbone and method with all arguments."""
    return json.dumps([identity["backbone"], identity["method"]], sort_keys=True)


def backbone_key(identity: dict[str, Any]) -> str:
    """Return the key of a speed of any method: the backbone with all arguments."""
    return json.dumps(identity["backbone"], sort_keys=True)


def recorded_latent_s(runs: Path) -> dict[tuple[str, float], list[float]]:
    """Return seconds per latent frame, decode and encoding included.

    Keys are those of `pair_key` and `backbone_key`, with the number of videos made in step.
    """
    found: dict[tuple[str, float], list[float]] = {}
    for store in _newest(runs):
        for path in _some_of(store.units_dir, "*"):
            record = store.record(path.name)
            seconds = _end_to_end_s(record) if record else None
            if record and seconds is not None and record.length.num_latents:
                latent_s = seconds / record.length.num_latents
                batch = record.generation.batch if record.generation else 1
                for key in (pair_key(record.identity), backbone_key(record.identity)):
                    found.setdefault((key, batch), []).append(latent_s)
    return found


def pair_speeds(
    recorded: Mapping[tuple[str, float], list[float]], identity: dict[str, Any], in_step: int
) -> list[float]:
    """Return the seconds per latent frame of a backbone and method.

    Args:
        recorded: from `recorded_latent_s`.
        identity: that of a unit.
        in_step: videos made in step; without records of this number those of all others count.
    """
    pair = pair_key(identity)
    others = (s for (key, _), speeds in recorded.items() if key == pair for s in speeds)
    return recorded.get((pair, in_step)) or [*others]


def _end_to_end_s(record: Record) -> float | None:
    """Return the seconds of making a whole video; None if it was not made here, or in parts."""
    if record.generation is None:
        return record.origin.end_to_end_s if record.origin else None
    times = record.generation.timings_s
    return None if "replay" in times else times.get("end_to_end")


def recorded_clip_pixel_s(runs: Path, suite: str) -> float | None:
    """Return the median seconds of scoring a clip with a suite, for each pixel of a frame."""
    found = []
    for store in _newest(runs):
        for path in _some_of(store.suite_dir(suite), "*.json"):
            scores, record = store.scores(suite, path.stem), store.record(path.stem)
            if scores and record and scores.clips:
                clip_s = sum(scores.timings_s.values()) / len(scores.clips)
                found.append(clip_s / (record.width * record.height))
    return median(found) if found else None


def recorded_report_s(runs: Path, num_units: int) -> float | None:
    """Return the seconds of the report of the sweep nearest in size; None if none was timed."""
    times = [
        time
        for store in _newest(runs)
        for time in read_stage_times(store)
        if time.stage == "report"
    ]
    if not times:
        return None
    nearest = min(times, key=lambda time: abs(time.num_items - num_units))
    return nearest.seconds + _REPORT_UNIT_S * max(0, num_units - nearest.num_items)


def _newest(runs: Path) -> Iterator[RunStore]:
    changed: dict[Path, float] = {}
    for root in runs.glob("*/"):
        with suppress(FileNotFoundError):
            changed[root] = root.stat().st_mtime
    for root in sorted(changed, key=changed.__getitem__, reverse=True)[:_SWEEPS_READ]:
        yield RunStore(root)


def _some_of(folder: Path, pattern: str) -> list[Path]:
    with suppress(FileNotFoundError):
        return list(islice(folder.glob(pattern), _FILES_READ))
    return []
