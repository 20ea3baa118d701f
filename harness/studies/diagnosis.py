"""Diagnosis of this machine: CPU and GPUs, packages, plug-ins, weights, metrics."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from backbones import BACKBONES
from eval.metric import MetricUnavailable
from eval.scoring.suite import METRICS, SUITES, find_suite
from harness.config.options import REGISTRIES, options, preset_conflict
from harness.config.prompts import GENERATORS
from harness.config.sweep import load_sweep
from harness.core.compiler import kernel_problem
from harness.core.devices import refuse_unseen_gpu, unseen_gpu
from harness.core.environment import package_versions
from harness.core.errors import DeviceError, LongtakeError
from harness.core.machine import cpu_name, num_cores
from harness.store.units import build_backbone
from methods import METHODS
from methods.encoders import ENCODERS
from methods.virtual import MERGES


@dataclass(frozen=True)
class BackboneWeights:
    """The weights of a backbone.

    Attributes:
        name: the backbone.
        found: roles whose files are complete: transformer, text_encoder, vae, ...
        missing: the other roles.
        error: why the files could not be checked; empty if they were.
    """

    name: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class MetricCheck:
    """A metric of a suite; `reason` says why it cannot be computed here and is empty if it can."""

    suite: str
    metric: str
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """Everything `doctor` says about this machine.

    Attributes:
        machine: CPU, GPUs and system, as lines of text.
        packages: version of each package that matters; None where it is not installed.
        plugins: a sentence for each plug-in that cannot be used, or not by its name alone.
        backbones: weights of each backbone.
        metrics: each metric of each suite.
    """

    machine: dict[str, str]
    packages: dict[str, str | None]
    plugins: tuple[str, ...]
    backbones: tuple[BackboneWeights, ...]
    metrics: tuple[MetricCheck, ...]


def diagnose() -> Diagnosis:
    """Diagnose this machine without downloading anything; imports all plug-ins."""
    return Diagnosis(
        _machine(),
        package_versions(),
        tuple(_plugin_problems()),
        tuple(_weights(name) for name in options("backbone")),
        tuple(_check(name, metric) for name in SUITES for metric in find_suite(name).metrics),
    )


def _machine() -> dict[str, str]:
    machine = {"CPU": f"{cpu_name()}, {num_cores()} cores"}
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        machine[f"cuda:{index}"] = (
            f"{torch.cuda.get_device_name(index)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB "
            "free"
        )
    if not torch.cuda.is_available():
        try:
            refuse_unseen_gpu()
            machine["GPU"] = f"{unseen_gpu() or 'none;'} device=auto uses the CPU"
        except DeviceError as error:
            machine["GPU"] = str(error)
    problem = kernel_problem()
    machine["compiled kernels"] = (
        f"on GPUs kernels.compile=false is needed: {problem}" if problem else "can be built"
    )
    machine["system"] = f"{platform.platform()}, Python {platform.python_version()}"
    return machine


def _plugin_problems() -> Iterator[str]:
    for group in REGISTRIES:
        yield from filter(None, (preset_conflict(group, name) for name in options(group)))
    for registry in (BACKBONES, METHODS, ENCODERS, METRICS, GENERATORS, MERGES):
        yield from registry.conflicts()
        yield from registry.problems().values()


def _weights(name: str) -> BackboneWeights:
    try:
        component = load_sweep([f"backbone={name}"]).rows[0].backbone
        files = build_backbone(component.target, component.args).files()
    except LongtakeError as error:
        return BackboneWeights(name, (), (), str(error))
    roles = dict.fromkeys(file.role.partition("/")[0] for file in files)
    missing = {file.role.partition("/")[0] for file in files if not file.path.is_file()}
    return BackboneWeights(
        name,
        tuple(role for role in roles if role not in missing),
        tuple(role for role in roles if role in missing),
        "",
    )


def _check(suite: str, metric: str) -> MetricCheck:
    try:
        METRICS.load(metric)().setup()
    except (MetricUnavailable, LongtakeError) as error:
        return MetricCheck(suite, metric, str(error))
    return MetricCheck(suite, metric, "")
