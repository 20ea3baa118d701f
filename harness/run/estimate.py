"""Estimated cost of a sweep before it runs: units, time, disk."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from backbones.engine.lanes import Moment
from harness.core.devices import pick_device
from harness.core.machine import prepare_process
from harness.run.executors import num_threads, num_workers
from harness.run.prepared import PreparedUnit
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from backbones.engine.spec import Geometry
    from harness.config.sweep import Settings
    from harness.store.units import Unit

_TRIAL_BLOCKS = 4  # a window of 12 latent frames is full at the last of them
_RECORDS_READ = 500
_VIDEO_BITS_PER_PIXEL = 0.5  # H.264 at CRF 16 without look-ahead, measured on the embedded world


@dataclass(frozen=True)
class Estimate:
    """Cost of the units that are still missing.

    Attributes:
        rows: (backbone, method, units, units missing) in order.
        generate_s: wall time of generating, with all workers.
        source: origin of the seconds per latent frame.
        disk_bytes: size of latents and videos.
    """

    rows: tuple[tuple[str, str, int, int], ...]
    generate_s: float
    source: str
    disk_bytes: int


def estimate(units: Sequence[Unit], missing: Sequence[Unit], settings: Settings) -> Estimate:
    """Estimate the cost of generating `missing`.

    Seconds per latent frame come from earlier records of the same backbone and method under the
    same parent folder; a pair without any is timed for a few blocks, decoding included.
    """
    seconds, disk = 0.0, 0
    sources: set[str] = set()
    latent_s: dict[tuple[str, str], float] = {}
    geometries: dict[str, Geometry] = {}
    recorded = recorded_latent_s(Path(settings.runs))
    for unit in missing:
        row = (unit.backbone, unit.method)
        if row not in latent_s:
            prepared = PreparedUnit.of(unit)
            geometries[unit.backbone] = prepared.spec.geometry
            found = recorded.get(pair_key(unit.identity))
            sources.add("from earlier records" if found else "timed a few blocks")
            latent_s[row] = median(found) if found else _timed_latent_s(prepared, settings)
        seconds += latent_s[row] * unit.num_latents
        geometry = geometries[unit.backbone]
        pixels = geometry.num_frames(unit.num_latents) * geometry.width * geometry.height
        disk += 4 * unit.num_latents * math.prod(geometry.latent_shape)
        disk += round(pixels * _VIDEO_BITS_PER_PIXEL / 8)
    missing_ids = {unit.id for unit in missing}
    asked = Counter((unit.backbone, unit.method) for unit in units)
    left = Counter((u.backbone, u.method) for u in units if u.id in missing_ids)
    rows = tuple((*row, number, left[row]) for row, number in asked.items())
    workers = num_workers(settings.executor, settings.device)
    source = " and ".join(sorted(sources)) or "nothing is missing"
    return Estimate(rows, seconds / workers, source, disk)


def pair_key(identity: dict[str, Any]) -> str:
    """Return the key of recorded seconds: backbone and method with all arguments."""
    return json.dumps([identity["backbone"], identity["method"]], sort_keys=True)


def recorded_latent_s(runs: Path) -> dict[str, list[float]]:
    """Return the seconds per latent frame by `pair_key`, decode and encoding included.

    Only some hundred records of each sweep are read; more would not change the median.
    """
    found: dict[str, list[float]] = {}
    for root in runs.glob("*/"):
        store = RunStore(root)
        for path in islice(store.units_dir.glob("*"), _RECORDS_READ):
            record = store.record(path.name)
            generation = record.generation if record else None
            # Imported videos were not made here; a resumed one replayed its first blocks.
            if record and generation and "replay" not in generation.timings_s:
                latent_s = generation.timings_s["end_to_end"] / generation.num_latents
                found.setdefault(pair_key(record.identity), []).append(latent_s)
    return found


def _timed_latent_s(prepared: PreparedUnit, settings: Settings) -> float:
    prepare_process(num_threads(settings.executor, settings.device))
    backbone = prepared.source.load(pick_device(settings.device), prepared.unit.prompts)
    num_latents = _TRIAL_BLOCKS * backbone.spec.block_latents
    rollout = prepared.start(backbone, settings.runtime, num_latents)
    decoder = backbone.start_decoder()
    block_s = 0.0
    for block in rollout.blocks():
        began = Moment(backbone.device)
        decoder.decode(block.latents)
        decode_s = Moment(backbone.device).seconds_since(began)
        block_s = block.timings().whole_s + decode_s
    return block_s / backbone.spec.block_latents
