"""Estimated cost of a sweep before it runs: units, seconds of each stage, disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from backbones.external.backbone import ExternalBackbone
from eval.scoring.suite import find_suite
from harness.core.devices import pick_device
from harness.core.disk import free_bytes
from harness.core.machine import prepare_process
from harness.run.executors import num_threads, num_workers
from harness.run.prepared import PreparedUnit
from harness.run.speeds import (
    backbone_key,
    pair_key,
    pair_speeds,
    recorded_clip_pixel_s,
    recorded_latent_s,
    recorded_report_s,
)
from harness.run.sweep import missing_evaluations
from harness.store.shards import split_units, step_groups
from harness.store.units import build_backbone

if TYPE_CHECKING:
    from backbones.engine.spec import Geometry
    from harness.config.sweep import Settings
    from harness.store.run_store import RunStore
    from harness.store.units import Unit

_TRIAL_BLOCKS = 4  # a window of 12 latent frames is full at the last of them
_VIDEO_BITS_PER_PIXEL = 0.5  # H.264 at CRF 16 without look-ahead, measured on the embedded world
_CLIP_FRAMES = 32
_START_SCORING_S = 1.3  # until a worker has imported the metrics of suite offline, measured
_DECLARED_PIXELS = 832 * 480  # the declared cost of a suite is for clips of this size


@dataclass(frozen=True)
class StageCost:
    """One stage of a sweep.

    Attributes:
        num_items: units to make, or scores to compute.
        num_there: those that need nothing.
        seconds: wall time with all workers; None if no earlier sweep tells.
    """

    num_items: int
    num_there: int
    seconds: float | None


@dataclass(frozen=True)
class Estimate:
    """Cost of what is still missing.

    Attributes:
        rows: (backbone, method, units, units missing) in order.
        generate, score, report: the stages.
        source: origin of the seconds of generating.
        unknown: backbones whose speed no earlier record tells.
        commands: those of them that are external generators, which can't be timed by blocks.
        disk_bytes: size of latents and videos.
        free_bytes: free space where the run store is; None if unknown.
    """

    rows: tuple[tuple[str, str, int, int], ...]
    generate: StageCost
    score: StageCost
    report: StageCost
    source: str
    unknown: tuple[str, ...]
    commands: tuple[str, ...]
    disk_bytes: int
    free_bytes: int | None


def estimate(
    units: Sequence[Unit],
    missing: Sequence[Unit],
    store: RunStore,
    settings: Settings,
    measure: bool = False,
) -> Estimate:
    """Estimate the cost of generating `missing`, of scoring all units and of their report.

    Seconds per latent frame come from earlier records under the same parent folder, of as many
    videos in step as there will be: of the same backbone and method, else of the same backbone.
    Those of the same backbone and method with another number in step come between.

    Args:
        units: the whole sweep.
        missing: those to make.
        store: its run store.
        settings: its settings.
        measure: time a few blocks of each backbone and method without earlier records, which loads
            the weights; external generators are left out.
    """
    runs = Path(settings.runs)
    recorded = recorded_latent_s(runs) if missing else {}
    latent_s: dict[tuple[str, str, int], float | None] = {}
    geometries: dict[str, Geometry] = {}
    commands: dict[str, None] = {}
    sources: dict[str, None] = {}
    unknown: dict[str, None] = {}
    seconds = 0.0
    for unit in {unit.backbone: unit for unit in units}.values():
        source = build_backbone(unit.family, unit.backbone_args)
        geometries[unit.backbone] = source.spec().geometry
        if isinstance(source, ExternalBackbone):
            commands[unit.backbone] = None
    workers = num_workers(settings)
    for group in _groups(missing, settings, workers, commands):
        unit = group[0]
        row = (unit.backbone, unit.method, len(group))
        if row not in latent_s:
            by_blocks = measure and unit.backbone not in commands
            latent_s[row], origin = _latent_s(unit, len(group), recorded, settings, by_blocks)
            sources[origin] = None
        per_latent_s = latent_s[row]
        if per_latent_s is None:
            unknown[unit.backbone] = None
        seconds += (per_latent_s or 0.0) * unit.num_latents * len(group)
    generate = StageCost(
        len(missing),
        len({u.id for u in units}) - len(missing),
        None if unknown else seconds / workers,
    )
    score = _score_cost(units, missing, store, settings, geometries)
    missing_ids = {unit.id for unit in missing}
    asked = Counter((unit.backbone, unit.method) for unit in units)
    left = Counter((u.backbone, u.method) for u in units if u.id in missing_ids)
    rows = tuple((*row, number, left[row]) for row, number in asked.items())
    return Estimate(
        rows=rows,
        generate=generate,
        score=score,
        report=StageCost(1, 0, recorded_report_s(runs, len(units))),
        source=" and ".join(sources) or "nothing is missing",
        unknown=tuple(unknown),
        commands=tuple(label for label in unknown if label in commands),
        disk_bytes=disk_bytes(missing),
        free_bytes=free_bytes(store.root),
    )


def disk_bytes(units: Iterable[Unit]) -> int:
    """Estimate the size of the latents and videos of units."""
    # Units of a row, which a sweep has a million of, are equally large.
    sizes: dict[tuple[str, int], int] = {}
    total = 0
    for unit in units:
        key = unit.backbone, unit.num_latents
        if key not in sizes:
            source = build_backbone(unit.family, unit.backbone_args)
            sizes[key] = _bytes_of(unit, source.spec().geometry)
        total += sizes[key]
    return total


def _groups(
    units: Sequence[Unit], settings: Settings, workers: int, commands: Container[str]
) -> Iterator[tuple[Unit, ...]]:
    """Yield the units that each worker makes in step; those of external generators one by one."""
    for part in split_units(units, workers):
        yield from step_groups(part, 1 if part[0].backbone in commands else settings.batch)


def _latent_s(
    unit: Unit,
    batch: int,
    recorded: dict[tuple[str, float], list[float]],
    settings: Settings,
    measure: bool,
) -> tuple[float | None, str]:
    """Return seconds per latent frame of the row of a unit, and where they come from."""
    exact = (pair_key(unit.identity), batch) in recorded
    if measure and not exact:
        alone = " of one video alone" if batch > 1 else ""
        return _timed_latent_s(PreparedUnit.of(unit), settings), f"timed a few blocks{alone}"
    if known := pair_speeds(recorded, unit.identity, batch):
        return median(known), f"from earlier records{'' if exact else ' of another batch'}"
    if found := recorded.get((backbone_key(unit.identity), batch)):
        return median(found), "from earlier records of other methods"
    return None, "no earlier record"


def _bytes_of(unit: Unit, geometry: Geometry) -> int:
    pixels = geometry.num_frames(unit.num_latents) * geometry.width * geometry.height
    latents = 4 * unit.num_latents * math.prod(geometry.latent_shape)
    return latents + round(pixels * _VIDEO_BITS_PER_PIXEL / 8)


def _score_cost(
    units: Sequence[Unit],
    missing: Sequence[Unit],
    store: RunStore,
    settings: Settings,
    geometries: dict[str, Geometry],
) -> StageCost:
    """Return the cost of the scores that are missing now or will be once all units are made."""
    to_make = {unit.id for unit in missing}
    by_id = {unit.id: unit for unit in units}
    prompts = {u.id: u.evaluation_prompts for u in by_id.values() if u.id not in to_make}
    tasks = missing_evaluations(store, prompts, settings.duration, settings.suite)
    items = [(task.suite, by_id[task.unit_id], task.num_clips_about) for task in tasks]
    for suite in settings.suite:
        for unit_id in to_make:
            unit = by_id[unit_id]
            num_frames = max(settings.duration) * geometries[unit.backbone].fps
            items.append((suite, unit, max(1, int(num_frames) // _CLIP_FRAMES)))
    clip_pixel_s = {suite: _clip_pixel_s(suite, settings) for suite in {item[0] for item in items}}
    pixels = {label: geometry.width * geometry.height for label, geometry in geometries.items()}
    seconds = sum(
        clip_pixel_s[suite] * pixels[unit.backbone] * num_clips for suite, unit, num_clips in items
    )
    there = len(by_id) * len(settings.suite) - len(items)
    if not items:
        return StageCost(0, there, 0.0)
    # A worker scores its videos with all suites, so one video keeps one worker busy.
    at_once = min(num_workers(settings), len({unit.id for _, unit, _ in items}))
    return StageCost(len(items), there, _START_SCORING_S + seconds / at_once)


def _clip_pixel_s(suite: str, settings: Settings) -> float:
    """Return the seconds of a clip for each pixel: of earlier scores, else as declared."""
    found = find_suite(suite)
    if recorded := recorded_clip_pixel_s(Path(settings.runs), found.name):
        return recorded
    on_gpu = pick_device(settings.device).type == "cuda" and found.gpu_clip_s
    return (found.gpu_clip_s if on_gpu and found.gpu_clip_s else found.clip_s) / _DECLARED_PIXELS


def _timed_latent_s(prepared: PreparedUnit, settings: Settings) -> float:
    from backbones.engine.lanes import Moment

    prepare_process(num_threads(settings))
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
