"""What became of each unit: its record, or why there is none."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.store.files import Reader

# Columns of `Sweep.units` that come from the record; empty for a unit without one.
TEXTS = ["status", "reason", "device", "video", "video_sha256", "finished"]
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
FACTS = [
    "trained_latents",
    "licence",
    "weights",
    "official_setting",
    "long_setting",
    "imported",
    "backbone_plugin",
    "backbone_args",
    "method_plugin",
    "method_args",
]
STALE_S = 30 * 60.0
"""Progress older than this is of a worker that stopped, not of one at work."""


@dataclass(frozen=True)
class Outcome:
    """One unit of one store: columns of `Sweep.units`, and seconds by stage."""

    fields: dict[str, Any]
    timings_s: dict[str, float]

    @property
    def done(self) -> bool:
        """Whether there is a video."""
        return bool(self.fields["status"] == "done")


def read_unit(reader: Reader, unit_id: str) -> Outcome:
    """The outcome of a unit of the store `reader` reads."""
    path = reader.root / "units" / unit_id / "record.json"
    if not path.is_file():
        return Outcome(_without_record(reader, unit_id), {})
    record = reader.versioned(path)
    if record is None:
        return Outcome({"status": "failed", "reason": "record.json cannot be read"}, {})
    try:
        return Outcome(_fields(record), _timings(record))
    except (KeyError, TypeError, AttributeError) as error:
        reader.warn(path, f"not a record, {error!r}; left out.")
        return Outcome({"status": "failed", "reason": "record.json is not a record"}, {})


def failure_file(folder: Path) -> Path | None:
    """The file that says why there is no video; scores fail last, of a video that is no more."""
    making = folder / "failure.json"
    if making.is_file():
        return making
    return next(iter(sorted(folder.glob("failure.*.json"))), None)


def _fields(record: dict[str, Any]) -> dict[str, Any]:
    identity = record["identity"]
    facts = record.get("facts") or {}
    memory = record["memory_mib"] or {}
    video, sha256 = record["video"]["file"], record["video"]["sha256"]
    # Both become part of paths, and a store may come from a stranger.
    if Path(video).name != video or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise TypeError(f"video {video!r} with sha256 {sha256!r}")
    return {
        "status": "done",
        "reason": None,
        "device": record["environment"].get("gpu") or record["environment"].get("host_cpu"),
        "video": video,
        "video_sha256": sha256,
        "finished": record.get("finished"),
        "peak_host_mib": memory.get("peak_host"),
        "peak_device_mib": memory.get("peak_device"),
        "budget_latents": record.get("context_budget_latents"),
        **{name: record[name] for name in ("num_frames", "fps", "duration_s")},
        **{name: record.get(name) for name in ("num_latents", "width", "height")},
        **{name: facts.get(name) for name in FACTS[:5]},
        "imported": bool(facts.get("imported") or identity.get("imported")),
        **_component(identity, facts, "backbone"),
        **_component(identity, facts, "method"),
    }


def _component(identity: dict[str, Any], facts: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the plug-in and the arguments of a backbone or method."""
    own = identity.get(kind)
    if not isinstance(own, dict):
        return {f"{kind}_plugin": None, f"{kind}_args": None}
    args = {name: value for name, value in own.items() if name != "name"}
    return {f"{kind}_plugin": facts.get(f"{kind}_plugin", own.get("name")), f"{kind}_args": args}


def _timings(record: dict[str, Any]) -> dict[str, float]:
    timings = record.get("timings_s") or {}
    return {stage: value for stage, value in timings.items() if value is not None}


def _without_record(reader: Reader, unit_id: str) -> dict[str, Any]:
    folder = reader.root / "units" / unit_id
    if (path := failure_file(folder)) is not None:
        failure = reader.json(path)
        error = str((failure or {}).get("error", f"{path.name} cannot be read")).strip()
        return {"status": "failed", "reason": error.splitlines()[0] if error else "no error text"}
    chunks = sorted((folder / "partial").glob("[0-9]*.safetensors"))
    if not chunks:
        return {"status": "missing", "reason": "not run yet"}
    latents = int(chunks[-1].stem) if chunks[-1].stem.isdecimal() else 0
    try:
        age_s = time.time() - chunks[-1].stat().st_mtime
    except OSError:  # the unit was finished this very moment
        age_s = 0.0
    if age_s > STALE_S:
        return {"status": "missing", "reason": f"stopped after {latents} latent frames or more"}
    return {"status": "running", "reason": f"{latents} latent frames or more are made"}
