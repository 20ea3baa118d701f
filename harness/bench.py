"""Timing the parts of one video on this machine, method by method, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.score import Scorer
from eval.suite import find_suite
from harness.devices import pick_device, prepare_process
from harness.environment import describe_machine, peak_host_mib
from harness.executors import num_threads
from harness.generate import generate_unit
from harness.store import RunStore
from harness.units import Unit, build_backbone

if TYPE_CHECKING:
    from harness.config import Settings


@dataclass(frozen=True)
class BenchRow:
    """Seconds for one video.

    Attributes:
        backbone: label.
        method: label.
        duration_s: length of the video.
        rollout_s: plan, gather, denoising and clean passes.
        gather_s: the part of it that fetches and rotates keys and values.
        decode_s: VAE decode.
        encode_s: writing the .mp4.
        score_s: all metrics of the suites.
        total_s: everything above and bookkeeping.
        steady_block_s: median block once the first is over.
        peak_host_mib: highest memory of the process so far.
    """

    backbone: str
    method: str
    duration_s: float
    rollout_s: float
    gather_s: float
    decode_s: float
    encode_s: float
    score_s: float
    total_s: float
    steady_block_s: float
    peak_host_mib: float


@dataclass(frozen=True)
class BenchResult:
    """All rows, and what they were measured on."""

    rows: tuple[BenchRow, ...]
    machine: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def bench(units: Sequence[Unit], settings: Settings, on_unit: Callable[[str], None]) -> BenchResult:
    """Make and score every unit once, in a folder that is thrown away.

    The first unit is made twice, the first time unmeasured, so that every row is measured warm.
    """
    prepare_process(num_threads(settings.executor, settings.device))
    device = pick_device(settings.device)
    scorers = [Scorer(find_suite(name)) for name in settings.suite]
    rows = []
    with tempfile.TemporaryDirectory(prefix="longtake-bench-") as folder:
        for place, unit in enumerate([units[0], *units]):
            on_unit(f"{unit.backbone} | {unit.method}" if place else "warm-up")
            store = RunStore(Path(folder) / str(place))
            backbone = build_backbone(unit.family, unit.backbone_args).load(device, [unit.prompt])
            row = _bench_unit(unit, backbone, store, scorers)
            rows.append(row)
    return BenchResult(tuple(rows[1:]), describe_machine(device))


def _bench_unit(unit: Unit, backbone: Any, store: RunStore, scorers: Sequence[Scorer]) -> BenchRow:
    record = generate_unit(unit, backbone, store, 10**9, lambda _: None, lambda: False)
    started = time.perf_counter()
    for scorer in scorers:
        scorer.score(
            store.unit_dir(unit.id) / record.video.file,
            unit.evaluation_prompt,
            {f"{record.duration_s:g}": record.num_frames},
            unit.id,
        )
    score_s = time.perf_counter() - started
    seconds = record.timings_s
    rollout_s = sum(seconds[part] for part in ("plan", "gather", "denoise", "clean_pass"))
    return BenchRow(
        backbone=unit.backbone,
        method=unit.method,
        duration_s=record.duration_s,
        rollout_s=rollout_s,
        gather_s=seconds["gather"],
        decode_s=seconds["vae_decode"],
        encode_s=seconds["video_encode"],
        score_s=score_s,
        total_s=seconds["end_to_end"] + score_s,
        steady_block_s=seconds["steady_block"],
        peak_host_mib=peak_host_mib(),
    )
