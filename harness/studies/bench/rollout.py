"""Timing of the parts of one video on this machine, method by method, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from eval.scoring.scorer import Scorer
from eval.scoring.suite import find_suite
from harness.core.determinism import strictly_deterministic
from harness.core.devices import peak_device_mib, pick_device, reset_peaks
from harness.core.environment import Machine, describe_machine
from harness.core.machine import peak_host_mib, prepare_process
from harness.run.executors import num_threads
from harness.run.prepared import PreparedUnit
from harness.store.units import Unit, build_backbone
from harness.studies.bench.floor import block_flops, decode_flops, floor_s
from harness.studies.bench.rates import Rates, measure_rates
from harness.studies.bench.runs import BenchedVideo

if TYPE_CHECKING:
    from backbones.engine.timings import BlockTimings
    from harness.config.sweep import Settings


@dataclass(frozen=True)
class BlockRow:
    """Times of one block of a method in seconds, medians over the second half of the video.

    Attributes:
        first: the first block, which has no context.
        steady: a block with a full context, from its start to the start of the next one, with
            nothing beside it.
        frames_per_s: video frames generated per second of `steady`.
        denoising_pass: one of its denoising passes.
        clean_pass: the pass that computes keys and values of the clean latents.
        gather: rotating keys to their positions.
        append: storing keys and values.
        encode: the strategy observing the clean latents.
        search: the strategy planning the next block.
        fetch: copying retrieved frames to the device.
        fetch_hidden: share of `fetch` that overlapped with other work; None if nothing was fetched.
        decode: decoding by the VAE, with nothing beside it.
        both: as `steady`, while the block before is decoded.
        overlap: share of the shorter of `steady` and `decode` that running both at once hides.
        floor: lower bound of the arithmetic of `steady` at the measured rates.
        decode_floor: the same of `decode`.
    """

    first: float
    steady: float
    frames_per_s: float
    denoising_pass: float
    clean_pass: float
    gather: float
    append: float
    encode: float
    search: float
    fetch: float
    fetch_hidden: float | None
    decode: float
    both: float
    overlap: float
    floor: float
    decode_floor: float


@dataclass(frozen=True)
class VideoRow:
    """One video of a method.

    Attributes:
        rollout_s: seconds of all blocks, with nothing beside them.
        decode_s: seconds of decoding by the VAE, with nothing beside it.
        first_frames_s: seconds from the first noise to the first frames in host memory, while
            everything runs.
        encode_s: seconds of writing the .mp4; None if none was written.
        score_s: seconds of all metrics of the suites.
        total_s: seconds from the first noise to the last frame, while everything runs, plus
            `score_s`.
        peak_device_mib: peak device memory; None on the CPU.
        peak_host_mib: peak memory of the process.
        kv_mib: memory of keys and values by tier.
    """

    rollout_s: float
    decode_s: float
    first_frames_s: float
    encode_s: float | None
    score_s: float
    total_s: float
    peak_device_mib: float | None
    peak_host_mib: float
    kv_mib: dict[str, float]


@dataclass(frozen=True)
class BenchRow:
    """One method on one backbone."""

    backbone: str
    method: str
    duration_s: float
    kernels: dict[str, Any]
    block: BlockRow
    video: VideoRow
    block_flops: int
    decode_flops: int
    rates: Rates


@dataclass(frozen=True)
class BenchResult:
    """Result: one row per method and backbone, and the machine."""

    rows: tuple[BenchRow, ...]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class _Speed:
    """Rates and counts that the floors are computed from."""

    rates: Rates
    decode_flops: int


def bench(
    units: Sequence[Unit],
    settings: Settings,
    on_unit: Callable[[str], None],
    profile: Path | None = None,
    video: bool = False,
) -> BenchResult:
    """Generate every unit in a temporary folder, and score it once.

    Every unit is generated three times: unmeasured, so that whatever it needs is compiled, pinned
    and allocated; without decoding; and with decoding beside it.

    Args:
        units: one unit per row.
        settings: settings of the sweep.
        on_unit: called with the name of each step when it starts.
        video: also write the .mp4 while measuring. It keeps a core of the CPU busy, which can
            be what limits the whole.
        profile: path for a torch trace of the last blocks of the last row; None for none.
    """
    prepare_process(num_threads(settings))
    device = pick_device(settings.device)
    scorers = [Scorer(find_suite(name), str(device)) for name in settings.suite]
    rows: list[BenchRow] = []
    for label, group in groupby(units, key=lambda unit: unit.backbone):
        members = list(group)
        on_unit(f"{label} | loading")
        source = build_backbone(members[0].family, members[0].backbone_args)
        backbone = source.load(device, [text for unit in members for text in unit.prompts])
        speed = _Speed(measure_rates(backbone), decode_flops(backbone))
        for unit in members:
            on_unit(f"{label} | {unit.method}")
            trace = profile if unit is units[-1] else None
            with (
                tempfile.TemporaryDirectory(prefix="longtake-bench-") as folder,
                strictly_deterministic(settings.deterministic),
            ):
                one = BenchedVideo(PreparedUnit.of(unit, source), backbone, settings)
                path = Path(folder) / "video.mp4"
                rows.append(_measure(one, speed, scorers, path, trace, video))
    return BenchResult(tuple(rows), describe_machine(device))


def _measure(
    one: BenchedVideo,
    speed: _Speed,
    scorers: Sequence[Scorer],
    path: Path,
    trace: Path | None,
    video: bool,
) -> BenchRow:
    unit, backbone = one.prepared.unit, one.backbone
    spec, geometry = backbone.spec, backbone.spec.geometry
    warm = one.with_decoder(path if scorers or video else None)
    reset_peaks(backbone.device)
    alone = one.alone(trace)
    decode_s = one.decoder_alone([block.latents for block in alone.blocks])
    both = one.with_decoder(path if video else None)
    encode_s = both.encode_s if video else warm.encode_s
    duration_s = unit.num_latents / geometry.latents_per_s
    started = time.perf_counter()
    for scorer in scorers:
        num_frames = geometry.num_frames(unit.num_latents)
        scorer.score(path, unit.evaluation_prompt, {f"{duration_s:g}": num_frames}, unit.id)
    score_s = time.perf_counter() - started
    timings = [block.timings() for block in alone.blocks]
    block_frames = geometry.temporal_factor * spec.block_latents
    return BenchRow(
        backbone=unit.backbone,
        method=unit.method,
        duration_s=duration_s,
        kernels=alone.rollout.describe_kernels(),
        block=BlockRow(
            **_parts(timings, len(spec.sampling.sigmas)),
            **_sharing(alone.period_s(), median(decode_s[len(decode_s) // 2 :]), both.period_s()),
            frames_per_s=block_frames / alone.period_s(),
            floor=floor_s(spec, speed.rates),
            decode_floor=speed.decode_flops / speed.rates.matmul_flops_per_s,
        ),
        video=VideoRow(
            rollout_s=sum(block.whole_s for block in timings),
            decode_s=sum(decode_s),
            first_frames_s=both.first_frames_s,
            encode_s=encode_s if scorers or video else None,
            score_s=score_s,
            total_s=both.total_s + score_s,
            peak_device_mib=peak_device_mib(backbone.device),
            peak_host_mib=peak_host_mib(),
            kv_mib=alone.rollout.store.allocated_mib(),
        ),
        block_flops=block_flops(spec),
        decode_flops=speed.decode_flops,
        rates=speed.rates,
    )


def _sharing(rollout_s: float, decode_s: float, both_s: float) -> dict[str, float]:
    """Return what the device does with both at once; see BlockRow."""
    hidden_s = rollout_s + decode_s - both_s
    overlap = hidden_s / min(rollout_s, decode_s)
    return {"steady": rollout_s, "decode": decode_s, "both": both_s, "overlap": overlap}


def _parts(timings: Sequence[BlockTimings], num_passes: int) -> dict[str, Any]:
    """Return the parts of a block that BlockRow names."""
    steady = timings[len(timings) // 2 :]

    def middle(part: str) -> float:
        return median(getattr(block, part) for block in steady)

    fetch = middle("fetch_s")
    return {
        "first": timings[0].whole_s,
        "denoising_pass": middle("denoise_s") / num_passes,
        "clean_pass": middle("clean_pass_s"),
        "gather": middle("gather_s"),
        "append": middle("append_s"),
        "encode": middle("encode_s"),
        "search": middle("search_s"),
        "fetch": fetch,
        "fetch_hidden": max(0.0, 1 - middle("wait_s") / fetch) if fetch > 1e-4 else None,
    }
