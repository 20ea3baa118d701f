"""What a job asks the cluster for, derived from backbone, method and duration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import LongtakeError
from harness.run.memory_check import kept_latents
from harness.store.units import Unit, build_backbone

if TYPE_CHECKING:
    from eval.scoring.suite import Suite
    from harness.config.slurm_profile import SlurmProfile, StageProfile
    from harness.store.shards import Evaluation

GIB = 2**30
# Python with torch and its CUDA context, one video being decoded and encoded.
_BASE_GIB = 4.0
_GPU_BASE_GIB = 8.0
_CPUS = 4
_GPU_CPUS = 8
# Rolling out 1.3 billion parameters (2.8 GB) with retrieval, decoding included, on one H100.
_LATENT_S_PER_GB = 0.3
_LEAST_LATENT_S = 0.3
_START_MIN = 10  # starting, loading and the first block
_MARGIN = 2.0  # of the estimated time


@dataclass(frozen=True)
class Request:
    """Resources of one task.

    Attributes:
        partition: partition; None for the cluster's default.
        gpus: GPUs.
        cpus: CPUs.
        mem_gib: host memory.
        time_min: time limit in minutes.
    """

    partition: str | None
    gpus: int
    cpus: int
    mem_gib: float
    time_min: int


@dataclass(frozen=True)
class Need:
    """What a unit needs in memory.

    Attributes:
        weights_bytes: all loaded models.
        kv_bytes: keys and values of the past latent frames that must be kept at the same time.
    """

    weights_bytes: int
    kv_bytes: int


def need_of(unit: Unit) -> Need:
    """What a unit needs: much more where attention may come back to any past frame."""
    spec = build_backbone(unit.family, unit.backbone_args).spec()
    return Need(spec.weights_bytes, spec.kv_bytes_per_latent * kept_latents(unit, spec))


def host_gib(need: Need, kv_host_gib: float, gpus: int) -> float:
    """Host memory of a task that generates.

    Weights pass through host memory twice while they are loaded. Keys and values of the past live
    there up to `kv_host_gib`.

    Args:
        need: of the most demanding unit.
        kv_host_gib: cap of the host tier of the K/V store.
        gpus: GPUs of the task.
    """
    base = _GPU_BASE_GIB if gpus else _BASE_GIB
    return base + 2 * need.weights_bytes / GIB + min(need.kv_bytes / GIB, kv_host_gib)


def guessed_latent_s(weights_bytes: int) -> float:
    """Seconds per latent frame where nothing was measured yet: rather too long than too short."""
    return max(_LEAST_LATENT_S, _LATENT_S_PER_GB * weights_bytes / 1e9)


def generation_request(
    need: Need, seconds: float, profile: SlurmProfile, device: str, kv_host_gib: float
) -> Request:
    """What a task needs that generates units of one backbone.

    Args:
        need: memory of the most demanding unit.
        seconds: estimated time of the longest task.
        profile: what the site wants.
        device: the device setting.
        kv_host_gib: cap of the host tier of the K/V store.
    """
    gpus = _gpus(profile.generate, device)
    memory = host_gib(need, kv_host_gib, gpus)
    return _request(profile.generate, profile, gpus, memory, seconds)


def trial_generation_request(profile: SlurmProfile, device: str) -> Request:
    """What a small generating task would ask for, to find out whether a cluster would take it."""
    gpus = _gpus(profile.generate, device)
    return _request(profile.generate, profile, gpus, _GPU_BASE_GIB if gpus else _BASE_GIB, 60)


def evaluation_gpus(suites: Iterable[Suite], profile: SlurmProfile, device: str) -> int:
    """GPUs of a task that scores with these suites: one if any of them makes use of it."""
    if profile.evaluate.gpus is None and all(s.gpu_clip_s is None for s in suites):
        return 0
    return _gpus(profile.evaluate, device)


def evaluation_s(task: Evaluation, suite: Suite, gpus: int) -> float:
    """Estimated seconds of scoring one unit with one suite."""
    seconds = suite.gpu_clip_s if gpus else None
    return (suite.clip_s if seconds is None else seconds) * task.num_clips_about


def evaluation_request(seconds: float, profile: SlurmProfile, gpus: int) -> Request:
    """What a task needs that scores finished units.

    Args:
        seconds: estimated time of the longest task.
        profile: what the site wants.
        gpus: see `evaluation_gpus`.
    """
    memory = _GPU_BASE_GIB if gpus else _BASE_GIB
    return _request(profile.evaluate, profile, gpus, memory, seconds)


def report_request(num_units: int, profile: SlurmProfile) -> Request:
    """What the report needs: no GPU, memory and time by the number of units."""
    gpus = profile.report.gpus or 0
    memory = _BASE_GIB + num_units / 20_000
    return _request(profile.report, profile, gpus, memory, num_units * 0.05)


def fitting(request: Request, max_time_min: int | None) -> Request:
    """The request within the partition's longest time: what isn't done by then is requeued."""
    if max_time_min is None:
        return request
    return replace(request, time_min=min(request.time_min, max_time_min))


def check_time(request: Request, signal_delay_s: int) -> None:
    """Refuse a time limit that the warning before it would use up.

    SLURM looks at the clock every half minute only, so the warning may come that much early.

    Raises:
        LongtakeError: the time limit is too short.
    """
    if request.time_min * 60 < signal_delay_s + 40:
        raise LongtakeError(
            f"A time limit of {request.time_min} min leaves no time to work before the warning "
            f"{signal_delay_s} s ahead of it; raise time_min or lower executor.slurm."
            "signal_delay_s."
        )


def _gpus(stage: StageProfile, device: str) -> int:
    if stage.gpus is not None:
        return stage.gpus
    return 0 if device == "cpu" else 1


def _request(
    stage: StageProfile, profile: SlurmProfile, gpus: int, memory_gib: float, seconds: float
) -> Request:
    minutes = stage.time_min or _START_MIN + math.ceil(_MARGIN * seconds / 60)
    return Request(
        partition=stage.partition or profile.partition,
        gpus=gpus,
        cpus=stage.cpus or (_GPU_CPUS if gpus else _CPUS),
        mem_gib=stage.mem_gib or math.ceil(memory_gib),
        time_min=minutes,
    )
