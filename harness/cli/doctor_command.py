"""`python -m harness doctor`."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.config.sweep import ExecutorKind, Settings, load_sweep, options
from harness.core.environment import package_versions
from harness.core.errors import LongtakeError
from harness.core.machine import cpu_name, num_cores
from harness.store.units import build_backbone

_PROBE_WAIT_S = 300


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    console = Console()
    settings = load_sweep(arguments.overrides).settings
    if settings.executor.kind is ExecutorKind.slurm:
        return _cluster(settings, arguments.probe, console)
    if arguments.probe:
        raise LongtakeError("--probe asks a cluster: doctor executor=slurm --probe.")
    for table in (_machine(), _packages(), _backbones(), _metrics()):
        console.print(table)
    return 0


def _cluster(settings: Settings, with_probe: bool, console: Console) -> int:
    """The cluster profile against the live cluster; exit code 1 if a sweep would fail."""
    from slurm.checks.doctor import Finding, examine, judge, requests
    from slurm.checks.probe import probe

    profile, runs = settings.executor.slurm, Path(settings.runs)
    findings = list(examine(profile, runs, settings.device, settings.suite))
    if with_probe and all(finding.ok for finding in findings):
        request = requests(profile, settings.device, settings.suite)["generate"]
        with console.status("waiting for a node"):
            try:
                facts = probe(profile, request, runs, _PROBE_WAIT_S)
                findings += judge(facts, request, settings.device)
            except LongtakeError as error:
                findings.append(Finding("node", False, str(error)))
    table = Table("cluster", "")
    for finding in findings:
        answer = escape(finding.answer)
        table.add_row(finding.question, answer if finding.ok else f"[red]no: {answer}")
    console.print(table)
    return 0 if all(finding.ok for finding in findings) else 1


def _machine() -> Table:
    import torch

    table = Table("machine", "")
    table.add_row("processor", f"{cpu_name()}, {num_cores()} cores")
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        table.add_row(
            f"cuda:{index}", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
        )
    if not torch.cuda.is_available():
        table.add_row("GPU", "none; device=auto uses the processor")
    table.add_row("system", f"{platform.platform()}, Python {platform.python_version()}")
    return table


def _packages() -> Table:
    table = Table("package", "version")
    for name, version in package_versions().items():
        table.add_row(name, version or "[yellow]not installed")
    return table


def _backbones() -> Table:
    table = Table("backbone", "weights")
    for name in options("backbone"):
        component = load_sweep([f"backbone={name}"]).rows[0].backbone
        try:
            files = build_backbone(component.target, component.args).files()
        except LongtakeError as error:
            table.add_row(name, f"[yellow]{error}")
            continue
        missing = {file.role.partition("/")[0] for file in files if not file.path.is_file()}
        roles = dict.fromkeys(file.role.partition("/")[0] for file in files)
        found = [role for role in roles if role not in missing]
        lines = [f"found: {', '.join(found)}"] if found else []
        if missing:
            lines.append(f"[yellow]missing: {', '.join(r for r in roles if r in missing)}")
        table.add_row(name, "\n".join(lines))
    table.caption = "python -m harness fetch-weights backbone=NAME fetches what is missing"
    return table


def _metrics() -> Table:
    from eval.metric import MetricUnavailable
    from eval.scoring.suite import METRICS, SUITES

    table = Table("suite", "metric", "can run here")
    for suite in SUITES.values():
        for name in suite.metrics:
            try:
                METRICS.load(name)().setup()
            except (MetricUnavailable, LongtakeError) as error:
                table.add_row(suite.name, name, f"[yellow]no: {error}")
            else:
                table.add_row(suite.name, name, "yes")
    return table
