"""What a sweep will cost, before it runs: units, time, disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from harness.devices import pick_device, prepare_process
from harness.executors import num_threads, num_workers
from harness.store import RunStore
from harness.units import Unit, build_backbone

if TYPE_CHECKING:
    from rich.console import Console

    from harness.config import Settings

_TRIAL_BLOCKS = 4  # a window of 12 latent frames is full at the last of them
_VIDEO_BITS_PER_PIXEL = 0.5  # H.264 at CRF 16 without look-ahead, measured on the embedded world


@dataclass(frozen=True)
class Estimate:
    """Cost of what is still missing.

    Attributes:
        rows: (backbone, method, units, units missing) in order.
        generate_s: wall time of generating, with all workers.
        source: where the seconds per block come from.
        disk_bytes: size of latents and videos.
    """

    rows: tuple[tuple[str, str, int, int], ...]
    generate_s: float
    source: str
    disk_bytes: int

    def show(self, console: Console) -> None:
        """Print as a table."""
        from rich.table import Table

        table = Table("backbone", "method", "units", "missing")
        for backbone, method, num_units, num_missing in self.rows:
            table.add_row(backbone, method, str(num_units), str(num_missing))
        console.print(table)
        minutes = self.generate_s / 60
        size = self.disk_bytes / 2**20
        console.print(f"generation: about {minutes:.1f} min ({self.source})", highlight=False)
        console.print(f"disk: about {size:.0f} MiB of latents and videos", highlight=False)


def estimate(units: Sequence[Unit], missing: Sequence[Unit], settings: Settings) -> Estimate:
    """Estimate the cost of `missing`.

    Seconds per block come from earlier records of the same backbone under the same parent folder;
    a backbone without any is timed for a few blocks.
    """
    seconds, disk = 0.0, 0
    sources: set[str] = set()
    block_s: dict[str, float] = {}
    for unit in missing:
        spec = build_backbone(unit.family, unit.backbone_args).spec()
        if unit.backbone not in block_s:
            recorded = _recorded_block_s(Path(settings.runs), unit)
            sources.add("timed a few blocks" if recorded is None else "from earlier records")
            block_s[unit.backbone] = recorded or _timed_block_s(unit, settings)
        seconds += block_s[unit.backbone] * unit.num_latents / spec.block_latents
        channels, height, width = spec.geometry.latent_shape
        pixels = spec.geometry.num_frames(unit.num_latents) * (
            spec.geometry.width * spec.geometry.height
        )
        disk += unit.num_latents * channels * height * width * 4
        disk += round(pixels * _VIDEO_BITS_PER_PIXEL / 8)
    pairs = dict.fromkeys((unit.backbone, unit.method) for unit in units)
    missing_ids = {unit.id for unit in missing}
    rows = []
    for backbone, method in pairs:
        members = [u for u in units if (u.backbone, u.method) == (backbone, method)]
        num_missing = sum(unit.id in missing_ids for unit in members)
        rows.append((backbone, method, len(members), num_missing))
    workers = num_workers(settings.executor, settings.device)
    source = " and ".join(sorted(sources)) or "nothing is missing"
    return Estimate(tuple(rows), seconds / workers, source, disk)


def _recorded_block_s(runs: Path, unit: Unit) -> float | None:
    """Median seconds of a whole block, decode and encoding included."""
    found = []
    for path in runs.glob("*/units/*/record.json"):
        record = RunStore(path.parents[2]).record(path.parent.name)
        if record and record.identity["backbone"] == unit.identity["backbone"]:
            spec = build_backbone(unit.family, unit.backbone_args).spec()
            num_blocks = record.num_latents / spec.block_latents
            if "replay" not in record.timings_s:
                found.append(record.timings_s["end_to_end"] / num_blocks)
    return median(found) if found else None


def _timed_block_s(unit: Unit, settings: Settings) -> float:
    from backbones.noise import SeededNoise
    from backbones.rollout import Rollout

    prepare_process(num_threads(settings.executor, settings.device))
    source = build_backbone(unit.family, unit.backbone_args)
    backbone = source.load(pick_device(settings.device))
    num_latents = _TRIAL_BLOCKS * backbone.spec.block_latents
    noise = SeededNoise(unit.seed, unit.prompt)
    rollout = Rollout(backbone, unit.build_strategy(), unit.prompt, noise, num_latents, unit.seed)
    return [block.timings.total_s for block in rollout.blocks()][-1]
