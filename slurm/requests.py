"""What a job asks the cluster for, derived from backbone, method and duration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import LongtakeError
from harness.units import Unit, build_backbone

if TYPE_CHECKING:
    from slurm.profile import SlurmProfile, StageProfile

GIB = 2**30
# Python with torch and its CUDA context, one video being decoded and encoded.
_BASE_GIB = 4.0
_GPU_BASE_GIB = 8.0
_CPUS = 4
_GPU_CPUS = 8
# Rolling out 1.3 billion parameters (2.8 GB) with retrieval, decoding included, on one H100.
_LATENT_S_PER_GB = 0.3
_LEAST_LATENT_S = 0.3
# Scoring two seconds of video; the networks of one suite after the other.
CLIP_S = 1.0
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


def sizes(unit: Unit) -> tuple[int, int]:
    """Bytes of a unit's weights, and of its keys and values per latent frame.

    A backbone doesn't say yet, so it is taken for one of 1.3 billion parameters: 30 layers of 1536
    channels in bfloat16.
    """
    spec = build_backbone(unit.family, unit.backbone_args).spec()
    return round(2.84e9), 2 * 30 * 1536 * 2 * spec.geometry.tokens_per_frame


def host_gib(
    weights_bytes: int, kv_bytes_per_latent: int, num_latents: int, kv_host_gib: float, gpus: int
) -> float:
    """Host memory of a task that generates.

    Weights pass through host memory twice while they are loaded. Keys and values that attention may
    come back to live there, up to `kv_host_gib`.

    Args:
        weights_bytes: size of all loaded models.
        kv_bytes_per_latent: keys and values of one latent frame.
        num_latents: latent frames that attention may come back to.
        kv_host_gib: cap of the host tier of the K/V store.
        gpus: GPUs of the task.
    """
    kv_gib = kv_bytes_per_latent * num_latents / GIB
    base = _GPU_BASE_GIB if gpus else _BASE_GIB
    return base + 2 * weights_bytes / GIB + min(kv_gib, kv_host_gib)


def guessed_latent_s(weights_bytes: int) -> float:
    """Seconds per latent frame where nothing was measured yet: rather too long than too short."""
    return max(_LEAST_LATENT_S, _LATENT_S_PER_GB * weights_bytes / 1e9)


def reaches_back(unit: Unit) -> bool:
    """Whether a unit's attention may come back to any past frame, not just sink and window.

    The strategy is asked for its last plan before it has seen anything: a window follows from the
    frame number alone, whoever retrieves either names memory or can't answer.
    """
    spec = build_backbone(unit.family, unit.backbone_args).spec()
    strategy = unit.build_strategy()
    strategy.reset(spec.rollout(unit.num_latents, unit.seed))
    try:
        plan = strategy.plan(unit.num_latents - spec.block_latents)
    except Exception:
        return True
    return bool(plan.memory_frames())


def generation_request(
    units: Sequence[Unit], seconds: float, profile: SlurmProfile, device: str, kv_host_gib: float
) -> Request:
    """What a task needs that generates units of one backbone.

    Args:
        units: all units of the tasks.
        seconds: estimated time of the longest task.
        profile: what the site wants.
        device: the device setting.
        kv_host_gib: cap of the host tier of the K/V store.
    """
    gpus = _gpus(profile.generate, device)
    spec = build_backbone(units[0].family, units[0].backbone_args).spec()
    longest = max(unit.num_latents for unit in units)
    kept = longest if reaches_back(units[0]) else spec.budget_latents
    weights_bytes, kv_bytes_per_latent = sizes(units[0])
    memory = host_gib(weights_bytes, kv_bytes_per_latent, kept, kv_host_gib, gpus)
    return _request(profile.generate, profile, gpus, memory, seconds)


def trial_generation_request(profile: SlurmProfile, device: str) -> Request:
    """What a small generating task would ask for, to find out whether a cluster would take it."""
    gpus = _gpus(profile.generate, device)
    return _request(profile.generate, profile, gpus, _GPU_BASE_GIB if gpus else _BASE_GIB, 60)


def evaluation_request(seconds: float, profile: SlurmProfile) -> Request:
    """What a task needs that scores finished units; a GPU only if the profile says so."""
    gpus = profile.evaluate.gpus or 0
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
