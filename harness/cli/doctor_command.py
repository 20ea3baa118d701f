"""`python -m harness doctor`."""

from __future__ import annotations

import argparse
import platform

from rich.console import Console
from rich.table import Table

from harness.config import load_sweep, options
from harness.environment import cpu_name, num_cores, package_versions
from harness.errors import LongtakeError
from harness.units import build_backbone


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    console = Console()
    for table in (_machine(), _packages(), _backbones(), _metrics()):
        console.print(table)
    return 0


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
    from eval.suite import METRICS, SUITES

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
