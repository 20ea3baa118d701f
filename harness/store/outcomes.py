"""The outcome of each unit: its record, or the reason why there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.core.environment import Machine
from harness.store.failures import Failure
from harness.store.files import Reader
from harness.store.record import Facts, Record

# Columns of `Sweep.units` from the record; empty for a unit without a record.
TEXTS = ["status", "reason", "device", "setting", "video", "video_sha256", "finished"]
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


@dataclass(frozen=True)
class Outcome:
    """One unit of one store: columns of `Sweep.units`, and seconds by stage."""

    fields: dict[str, Any]
    timings_s: dict[str, float]

    @property
    def done(self) -> bool:
        """True if there is a video."""
        return bool(self.fields["status"] == "done")


def read_unit(reader: Reader, unit_id: str) -> Outcome:
    """Return the outcome of a unit of the store that `reader` reads."""
    path = reader.paths.record_path(unit_id)
    if not path.is_file():
        failure = reader.paths.first_failure_path(unit_id)
        return Outcome(unfinished(reader, unit_id, failure), {})
    record = reader.read(path, Record)
    if record is None:
        return Outcome({"status": "failed", "reason": "record.json cannot be read"}, {})
    generation = record.generation
    return Outcome(_fields(record), dict(generation.timings_s) if generation else {})


def _fields(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys((*TEXTS, *NUMBERS, *FACTS)) | {
        "status": "done",
        "video": record.video.file,
        "video_sha256": record.video.sha256,
        "finished": record.finished,
        "imported": record.origin is not None,
        "backbone_args": _arguments(record, "backbone"),
        "method_args": _arguments(record, "method"),
        **{name: getattr(record, name) for name in ("num_frames", "fps", "duration_s")},
        **{name: getattr(record, name) for name in ("width", "height")},
    }
    if (generation := record.generation) is not None:
        found |= {
            "device": generation.machine.gpu or generation.machine.host_cpu,
            "setting": _setting(generation.machine),
            "num_latents": generation.num_latents,
            "peak_host_mib": generation.memory_mib.get("peak_host"),
            "peak_device_mib": generation.memory_mib.get("peak_device"),
            "budget_latents": generation.context_budget_latents,
            **vars(generation.facts),
        }
    return found


def _setting(machine: Machine) -> str:
    """Return what speeds depend on besides backbone and method."""
    threads = f"{machine.threads} thread{'' if machine.threads == 1 else 's'}"
    return f"{machine.gpu or machine.host_cpu}, {threads}, torch {machine.torch}"


def _arguments(record: Record, kind: str) -> dict[str, Any] | None:
    """Return the arguments of the backbone or the method; None for an imported video."""
    identity = record.identity.get(kind)
    if not isinstance(identity, dict):
        return None
    return {name: value for name, value in identity.items() if name != "name"}


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
