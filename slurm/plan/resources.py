"""Resources of a task: GPUs, CPUs, memory and time, derived from its work and the profile."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.run.prepared import PreparedUnit
from harness.store.units import Unit

if TYPE_CHECKING:
    from eval.scoring.suite import Suite
    from harness.config.slurm_profile import SlurmProfile, StageProfile
    from harness.store.shards import Evaluation

GIB = 2**30
# Python with torch and its CUDA context, and one video being decoded and encoded.
_BASE_GIB = 4.0
_BESIDE_GIB = 0.5  # frames and encoder of each further video in step
_GPU_BASE_GIB = 8.0
_CPUS = 4
_GPU_CPUS = 8
# Measured: 1.3 billion parameters (2.8 GB) with retrieval, decoding included, on one H100.
_LATENT_S_PER_GB = 0.3
_LEAST_LATENT_S = 0.3
_START_MIN = 10  # Python, loading, the first block
_MARGIN = 2.0  # times the estimated run time
_KV_HOST_GIB = 48.0  # most for keys and values if kv.host_gib is not set; a file holds the rest


@dataclass(frozen=True)
class Request:
    """Resources of one task.

    Attributes:
        partition: partition; None for the cluster's default.
        gpus: number of GPUs.
        cpus: number of CPUs.
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
    """Memory that generating a unit needs.

    Attributes:
        weights_bytes: all loaded models.
        kv_bytes: keys and values of past latent frames that must be kept at the same time.
    """

    weights_bytes: int
    kv_bytes: int


def need_of(unit: Unit) -> Need:
    """Return the memory that a unit needs: with retrieval the keys and values of all its past."""
    prepared = PreparedUnit.of(unit)
    spec = prepared.spec
    return Need(spec.weights_bytes, prepared.kept().kv_bytes(spec))


def host_gib(need: Need, kv_host_gib: float | None, gpus: int, in_step: int = 1) -> float:
    """Return the host memory of a task that generates.

    Args:
        need: memory of the most demanding unit.
        kv_host_gib: cap of the host tier of the K/V store, which holds keys and values of the past;
            None if it follows from the memory that the task gets.
        gpus: GPUs of the task.
        in_step: most units that are made in step.
    """
    base = (_GPU_BASE_GIB if gpus else _BASE_GIB) + (in_step - 1) * _BESIDE_GIB
    most = _KV_HOST_GIB if kv_host_gib is None else kv_host_gib
    # While a model is loaded, its weights are in host memory twice: as read, and as placed.
    return base + 2 * need.weights_bytes / GIB + min(in_step * need.kv_bytes / GIB, most)


def guessed_latent_s(weights_bytes: int) -> float:
    """Guess the seconds per latent frame where nothing was measured, rather too long than short."""
    return max(_LEAST_LATENT_S, _LATENT_S_PER_GB * weights_bytes / 1e9)


def generation_request(
    need: Need,
    seconds: float,
    profile: SlurmProfile,
    device: str,
    kv_host_gib: float | None,
    in_step: int = 1,
) -> Request:
    """Return the resources of a task that generates units of one backbone.

    Args:
        need: memory of the most demanding unit.
        seconds: estimated run time of the longest task.
        profile: how the site expects resources to be requested.
        device: the device setting.
        kv_host_gib: cap of the host tier of the K/V store; see `host_gib`.
        in_step: most units that are made in step.
    """
    gpus = _gpus(profile.generate, device)
    memory = host_gib(need, kv_host_gib, gpus, in_step)
    return _request(profile.generate, profile, gpus, memory, seconds)


def trial_generation_request(profile: SlurmProfile, device: str) -> Request:
    """Return the resources of a small generating task, to ask a cluster whether it accepts it."""
    gpus = _gpus(profile.generate, device)
    return _request(profile.generate, profile, gpus, _GPU_BASE_GIB if gpus else _BASE_GIB, 60)


def evaluation_gpus(suites: Iterable[Suite], profile: SlurmProfile, device: str) -> int:
    """Return the GPUs of a task that scores with these suites: one if any of them can use it."""
    if profile.evaluate.gpus is None and all(s.gpu_clip_s is None for s in suites):
        return 0
    return _gpus(profile.evaluate, device)


def evaluation_s(task: Evaluation, suite: Suite, gpus: int) -> float:
    """Estimate the seconds of scoring one unit with one suite."""
    seconds = suite.gpu_clip_s if gpus else None
    return (suite.clip_s if seconds is None else seconds) * task.num_clips_about


def evaluation_request(seconds: float, profile: SlurmProfile, gpus: int) -> Request:
    """Return the resources of a task that scores finished units.

    Args:
        seconds: estimated run time of the longest task.
        profile: how the site expects resources to be requested.
        gpus: see `evaluation_gpus`.
    """
    memory = _GPU_BASE_GIB if gpus else _BASE_GIB
    return _request(profile.evaluate, profile, gpus, memory, seconds)


def report_request(num_units: int, profile: SlurmProfile) -> Request:
    """Return the resources of the report task, which grow with the number of units."""
    gpus = profile.report.gpus or 0
    memory = _BASE_GIB + num_units / 20_000
    return _request(profile.report, profile, gpus, memory, num_units * 0.05)


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
