"""The outcome of each unit: its record, or the reason why there is none."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.core.errors import StoreError
from harness.store.failures import Failure
from harness.store.files import Reader
from harness.store.record import Facts
from harness.store.summaries import RecordSummary

# Columns of `Sweep.units` from the record; empty for a unit without a record.
TEXTS = ["status", "reason", "device", "setting", "video", "video_sha256", "finished"]
LONG_TEXTS = ["video_sha256", "finished"]
NUMBERS = [
    "num_latents",
    "num_frames",
    "fps",
    "duration_s",
    "width",
    "height",
    "peak_host_mib",
    "peak_device_mib",
    "budget_latents",
]
FACTS = [*(field.name for field in fields(Facts)), "imported", "backbone_args", "method_args"]
STALE_S = 30 * 60.0
"""Progress that is older was left by a worker that stopped."""


def outcome_of(
    reader: Reader, unit_id: str, record: RecordSummary | StoreError | None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the columns of a unit, and its seconds by stage."""
    if record is None:
        failure = reader.paths.first_failure_path(unit_id)
        return unfinished(reader, unit_id, failure), {}
    if isinstance(record, StoreError):
        reader.leave_out(reader.paths.record_path(unit_id), record)
        return {"status": "failed", "reason": "record.json cannot be read"}, {}
    return _fields(record), record.timings_s


def _fields(record: RecordSummary) -> dict[str, Any]:
    same = ("finished", "backbone_args", "method_args", "device", "setting", *NUMBERS)
    return {
        "status": "done",
        "video": record.video.file,
        "video_sha256": record.video.sha256,
        "imported": record.origin_fps is not None,
        **{name: getattr(record, name) for name in same},
        **(vars(record.facts) if record.facts else {"licence": record.licence}),
        # Those that an external generator was asked for say nothing of latents that were kept.
        **({} if record.origin_fps is None else {"num_latents": None}),
    }


def unfinished(reader: Reader, unit_id: str, failed: Path | None) -> dict[str, str]:
    """Return status and reason of a unit that is not made, or not in its whole length.

    Args:
        reader: of its store.
        unit_id: the unit.
        failed: the failure report of the last attempt; None without one.
    """
    if failed is not None:
        failure = reader.read(failed, Failure)
        error = failure.error.strip() if failure else f"{failed.name} cannot be read"
        return {"status": "failed", "reason": error.splitlines()[0] if error else "no error text"}
    chunks = reader.paths.chunk_paths(unit_id)
    if not chunks:
        return {"status": "missing", "reason": "not run yet"}
    latents = int(chunks[-1].stem) if chunks[-1].stem.isdecimal() else 0
    if _age_s(chunks[-1]) > STALE_S:
        return {"status": "missing", "reason": f"stopped after {latents} latent frames or more"}
    return {"status": "running", "reason": f"{latents} latent frames or more are made"}


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # the unit was finished a moment ago
        return 0.0
