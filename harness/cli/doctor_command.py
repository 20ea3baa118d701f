"""`python -m harness doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json
from harness.core.errors import ConfigError, LongtakeError

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings
    from harness.studies.diagnosis import Diagnosis

_PROBE_WAIT_S = 300


def doctor(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="executor=slurm or executor=FILE.yaml to check that cluster; runs=FOLDER.",
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also run a short job and describe its node.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show installed packages, broken plug-ins, found weights and metrics that can run here.

    With `executor=slurm`, or your own profile, it checks the live cluster instead. The exit code is
    1 if a sweep would fail there.

    ```
    python -m harness doctor executor=site.yaml --probe
    ```
    """
    from dataclasses import asdict

    from harness.cli.terminal import Terminal
    from harness.config.sweep import ExecutorKind, load_sweep
    from harness.studies.diagnosis import diagnose

    terminal = Terminal(as_json=as_json)
    settings = load_sweep(overrides or []).settings
    if settings.executor.kind is ExecutorKind.slurm:
        return _cluster(settings, probe, terminal)
    if probe:
        raise ConfigError("--probe needs a cluster: doctor executor=slurm --probe.")
    found = diagnose()
    if as_json:
        terminal.print_json(asdict(found))
    else:
        _show(found, terminal)
    return 0


def _show(found: Diagnosis, terminal: Terminal) -> None:
    from rich.text import Text

    terminal.print_table(("machine", ""), list(found.machine.items()))
    terminal.print_table(
        ("package", "version"),
        [
            (name, version or Text("not installed", "yellow"))
            for name, version in found.packages.items()
        ],
    )
    for problem in found.plugins:
        terminal.say(f"plug-in: {problem}", style="yellow")
    rows = []
    for backbone in found.backbones:
        cell = Text(f"found: {', '.join(backbone.found)}" if backbone.found else "")
        if backbone.missing:
            cell.append("\n" if backbone.found else "")
            cell.append(f"missing: {', '.join(backbone.missing)}", "yellow")
        if backbone.error:
            cell = Text(backbone.error, "yellow")
        rows.append((backbone.name, cell))
    caption = "python -m harness fetch-weights backbone=NAME fetches what is missing"
    terminal.print_table(("backbone", "weights"), rows, caption=caption)
    terminal.print_table(
        ("suite", "metric", "can run here"),
        [
            (one.suite, one.metric, Text(f"no: {one.reason}", "yellow") if one.reason else "yes")
            for one in found.metrics
        ],
    )


def _cluster(settings: Settings, with_probe: bool, terminal: Terminal) -> int:
    """Check the profile against the live cluster; return exit code 1 if a sweep would fail."""
    from dataclasses import asdict

    from rich.text import Text

    from slurm.checks.doctor import Finding, examine, judge, requests
    from slurm.checks.probe import probe

    profile, runs = settings.executor.slurm, Path(settings.runs)
    findings = list(examine(profile, runs, settings.device, settings.suite))
    if with_probe and all(finding.ok for finding in findings):
        request = requests(profile, settings.device, settings.suite)["generate"]
        with terminal.console.status("waiting for a node"):
            try:
                facts = probe(profile, request, runs, _PROBE_WAIT_S)
                findings += judge(facts, request, settings.device)
            except LongtakeError as error:
                findings.append(Finding("node", False, str(error)))
    if terminal.as_json:
        terminal.print_json({"cluster": [asdict(finding) for finding in findings]})
    else:
        rows = [
            (one.question, one.answer if one.ok else Text(f"no: {one.answer}", "red"))
            for one in findings
        ]
        terminal.print_table(("cluster", ""), rows)
    return 0 if all(finding.ok for finding in findings) else 1
