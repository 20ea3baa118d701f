"""Timing of the parts of one video on this machine, method by method, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from backbones.engine.rollout import Block
from eval.scoring.scorer import Scorer
from eval.scoring.suite import find_suite
from harness.core.determinism import strictly_deterministic
from harness.core.devices import peak_device_mib, pick_device, reset_peaks
from harness.core.environment import Machine, describe_machine
from harness.core.machine import peak_host_mib, prepare_process
from harness.run.executors import num_threads
from harness.run.prepared import PreparedUnit
from harness.run.video_pipeline import VideoPipeline
from harness.run.video_writer import VideoWriter
from harness.store.units import Unit, build_backbone
from harness.studies.bench.floor import block_flops, floor_s
from harness.studies.bench.rates import Rates, measure_rates

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.timings import BlockTimings
    from harness.config.sweep import Settings

_PROFILED_BLOCKS = 2


@dataclass(frozen=True)
class BlockRow:
    """Times of one block of a method in seconds, medians over the second half of the video.

    Attributes:
        first: the first block, which has no context.
        steady: a block with a full context, from its start to the start of the next one.
        frames_per_s: video frames generated per second of `steady`.
        denoising_pass: one of its denoising passes.
        clean_pass: the pass that computes keys and values of the clean latents.
        gather: rotating keys to their positions.
        append: storing keys and values.
        encode: the strategy observing the clean latents.
        search: the strategy planning the next block.
        fetch: copying retrieved frames to the device.
        fetch_hidden: share of `fetch` that overlapped with other work; None if nothing was fetched.
        decode: decoding by the VAE.
        floor: lower bound of the arithmetic at the measured rates.
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
    floor: float


@dataclass(frozen=True)
class VideoRow:
    """One video of a method.

    Attributes:
        rollout_s: seconds of all blocks.
        decode_s: seconds of decoding by the VAE.
        encode_s: seconds of writing the .mp4.
        score_s: seconds of all metrics of the suites.
        total_s: seconds from the first noise to the finished file, plus `score_s`.
        peak_device_mib: peak device memory; None on the CPU.
        peak_host_mib: peak memory of the process.
        kv_mib: memory of keys and values by tier.
    """

    rollout_s: float
    decode_s: float
    encode_s: float
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
    rates: Rates


@dataclass(frozen=True)
class BenchResult:
    """Result: one row per method and backbone, and the machine."""

    rows: tuple[BenchRow, ...]
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return asdict(self)


def bench(
    units: Sequence[Unit],
    settings: Settings,
    on_unit: Callable[[str], None],
    profile: Path | None = None,
) -> BenchResult:
    """Generate and score every unit once, in a temporary folder.

    The first unit of a backbone is generated twice, the first time unmeasured, so that every row is
    measured warm.

    Args:
        units: one unit per row.
        settings: settings of the sweep.
        on_unit: called with the name of each step when it starts.
        profile: path for a torch trace of the last blocks of the last row; None for none.
    """
    prepare_process(num_threads(settings))
    device = pick_device(settings.device)
    scorers = [Scorer(find_suite(name)) for name in settings.suite]
    rows: list[BenchRow] = []
    for label, group in groupby(units, key=lambda unit: unit.backbone):
        members = list(group)
        on_unit(f"{label} | loading and warm-up")
        source = build_backbone(members[0].family, members[0].backbone_args)
        backbone = source.load(device, [text for unit in members for text in unit.prompts])
        rates = measure_rates(backbone)
        warm_up = PreparedUnit.of(members[0], source)
        _bench_unit(warm_up, backbone, rates, settings, scorers, None)
        for unit in members:
            on_unit(f"{label} | {unit.method}")
            trace = profile if unit is units[-1] else None
            prepared = PreparedUnit.of(unit, source)
            rows.append(_bench_unit(prepared, backbone, rates, settings, scorers, trace))
    return BenchResult(tuple(rows), describe_machine(device))


def _bench_unit(
    prepared: PreparedUnit,
    backbone: Backbone,
    rates: Rates,
    settings: Settings,
    scorers: Sequence[Scorer],
    trace: Path | None,
) -> BenchRow:
    with (
        tempfile.TemporaryDirectory(prefix="longtake-bench-") as folder,
        strictly_deterministic(settings.deterministic),
    ):
        return _measure(prepared, backbone, rates, settings, scorers, Path(folder), trace)


def _measure(
    prepared: PreparedUnit,
    backbone: Backbone,
    rates: Rates,
    settings: Settings,
    scorers: Sequence[Scorer],
    folder: Path,
    trace: Path | None,
) -> BenchRow:
    reset_peaks(backbone.device)
    unit, spec, geometry = prepared.unit, backbone.spec, backbone.spec.geometry
    path = folder / "video.mp4"
    started = time.perf_counter()
    rollout = prepared.start(backbone, settings.runtime)
    num_blocks = unit.num_latents // spec.block_latents
    blocks: list[Block] = []
    with (
        _profiling(trace) as start_profile,
        VideoWriter(path, geometry.fps, geometry.width, geometry.height) as writer,
        VideoPipeline(backbone.start_decoder(), writer, backbone.device) as video,
    ):
        for block in rollout.blocks():
            blocks.append(block)
            video.push(block.latents)
            if block.index + 1 == max(1, num_blocks - _PROFILED_BLOCKS):
                start_profile()
    total_s = time.perf_counter() - started
    timings = [block.timings() for block in blocks]
    begins = [block.moments.whole[0] for block in blocks]
    # From start to start, so that work between two blocks counts, such as waiting for the writer.
    periods_s = [later.seconds_since(begin) for begin, later in pairwise(begins)]
    duration_s = unit.num_latents / geometry.latents_per_s
    started = time.perf_counter()
    for scorer in scorers:
        num_frames = geometry.num_frames(unit.num_latents)
        scorer.score(path, unit.evaluation_prompt, {f"{duration_s:g}": num_frames}, unit.id)
    score_s = time.perf_counter() - started
    block_frames = geometry.temporal_factor * spec.block_latents
    floor = floor_s(spec, rates)
    return BenchRow(
        backbone=unit.backbone,
        method=unit.method,
        duration_s=duration_s,
        kernels=rollout.describe_kernels(),
        block=_block_row(
            timings, periods_s, video.decode_s(), len(spec.sampling.sigmas), block_frames, floor
        ),
        video=VideoRow(
            rollout_s=sum(block.whole_s for block in timings),
            decode_s=sum(video.decode_s()),
            encode_s=video.encode_s,
            score_s=score_s,
            total_s=total_s + score_s,
            peak_device_mib=peak_device_mib(backbone.device),
            peak_host_mib=peak_host_mib(),
            kv_mib=rollout.store.allocated_mib(),
        ),
        block_flops=block_flops(spec),
        rates=rates,
    )


def _block_row(
    timings: Sequence[BlockTimings],
    periods_s: Sequence[float],
    decode_s: Sequence[float],
    num_passes: int,
    block_frames: int,
    floor: float,
) -> BlockRow:
    steady = timings[len(timings) // 2 :]

    def middle(part: str) -> float:
        return median(getattr(block, part) for block in steady)

    fetch = middle("fetch_s")
    whole = median(periods_s[len(periods_s) // 2 :] or [timings[0].whole_s])
    return BlockRow(
        first=timings[0].whole_s,
        steady=whole,
        frames_per_s=block_frames / whole,
        denoising_pass=middle("denoise_s") / num_passes,
        clean_pass=middle("clean_pass_s"),
        gather=middle("gather_s"),
        append=middle("append_s"),
        encode=middle("encode_s"),
        search=middle("search_s"),
        fetch=fetch,
        fetch_hidden=max(0.0, 1 - middle("wait_s") / fetch) if fetch > 1e-4 else None,
        decode=median(decode_s[len(decode_s) // 2 :]),
        floor=floor,
    )


@contextmanager
def _profiling(path: Path | None) -> Iterator[Callable[[], None]]:
    """Yield a function that starts the profile, which is written when the `with` block ends."""
    if path is None:
        yield lambda: None
        return
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    profiler = torch.profiler.profile(activities=activities)
    try:
        yield profiler.start
    finally:
        profiler.stop()
    path.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(path))
