"""`python -m harness sweep --dry-run`: the cost of a sweep, and which differences it can tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.cli.sweep_story import estimate_lines, warn_of_disk
from harness.core.human import counted, size_text

if TYPE_CHECKING:
    from backbones.engine.backbone import LocatedFile
    from harness.cli.terminal import Terminal
    from harness.config.sweep import Settings
    from harness.run.power import SuitePower
    from harness.store.run_store import RunStore
    from harness.store.units import Unit


def show_dry_run(
    units: list[Unit], store: RunStore, settings: Settings, terminal: Terminal, measure: bool
) -> int:
    """Print the cost of a sweep on this machine and return the exit code.

    Args:
        units: the whole sweep; weights may be missing.
        store: its run store.
        settings: its settings.
        terminal: where to print.
        measure: see `estimate`.
    """
    from harness.run.estimate import estimate
    from harness.run.evidence_cost import evidence_lines
    from harness.run.power import sweep_power
    from harness.run.sweep import missing_units

    cost = estimate(units, missing_units(store, units), store, settings, measure)
    power = sweep_power(units, settings)
    downloads = missing_files(units, settings.suite)
    header = ("backbone", "method", "units", "missing")
    if terminal.as_json:
        rows = [dict(zip(header, row, strict=True)) for row in cost.rows]
        terminal.print_json(
            {
                **asdict(cost),
                "rows": rows,
                "downloads": [
                    {"file": str(f.path), "bytes": f.source.bytes if f.source else None}
                    for f in downloads
                ],
                "power": [asdict(suite) for suite in power],
            }
        )
        return 0
    terminal.print_table(header, [tuple(map(str, row)) for row in cost.rows])
    for line in estimate_lines(cost):
        terminal.say(line)
    warn_of_disk(store.root, cost.disk_bytes, terminal)
    _say_downloads(downloads, units, settings.suite, terminal)
    if scripts := [unit.script for unit in units if unit.script]:
        switches = ", ".join(dict.fromkeys(str(script.switch) for script in scripts))
        terminal.say(f"scripts: the prompt changes in {len(scripts)} units (switch: {switches})")
    for line in evidence_lines(units):
        terminal.say(line)
    say_power(power, terminal)
    return 0


def missing_files(units: Sequence[Unit], suites: Sequence[str]) -> list[LocatedFile]:
    """Return the weights of backbones and metrics that are not on this machine."""
    from eval.scoring.suite_weights import suite_files

    files = [file for _, found in _backbone_files(units) for file in found]
    missing = {file.path: file for file in _missing([*files, *suite_files(suites)])}
    return list(missing.values())


def _backbone_files(units: Sequence[Unit]) -> Iterator[tuple[str, Sequence[LocatedFile]]]:
    """Yield the name and the weights of each backbone."""
    from harness.store.units import build_backbone

    for unit in {unit.backbone: unit for unit in units}.values():
        yield unit.backbone.split()[0], build_backbone(unit.family, unit.backbone_args).files()


def _missing(files: Sequence[LocatedFile]) -> list[LocatedFile]:
    return [file for file in files if not file.path.is_file()]


def _fetch_command(units: Sequence[Unit], suites: Sequence[str]) -> str:
    """Return the command that fetches what is missing and published, with the names it needs."""
    from eval.scoring.suite_weights import suite_files

    wanted = {
        "backbone": _backbone_files(units),
        "suite": ((suite, suite_files([suite])) for suite in suites),
    }
    options = []
    for key, files_by_name in wanted.items():
        lacking = [
            name for name, files in files_by_name if any(file.source for file in _missing(files))
        ]
        if lacking:
            options.append(f"{key}={','.join(dict.fromkeys(lacking))}")
    return shlex.join(["python", "-m", "harness", "fetch-weights", *options]) if options else ""


def _say_downloads(
    files: Sequence[LocatedFile],
    units: Sequence[Unit],
    suites: Sequence[str],
    terminal: Terminal,
) -> None:
    if not files:
        return
    sizes = [file.source.bytes if file.source else None for file in files]
    total, num_unknown = size_text(sum(filter(None, sizes))), sizes.count(None)
    more = f", {num_unknown} of them of unknown size" if num_unknown else ""
    count, command = counted(len(files), "file"), _fetch_command(units, suites)
    terminal.say(f"downloads: {count}, {total}{more}" + (f": {command}" if command else ""))
    for file in files:
        source = file.source
        size = size_text(source.bytes) if source and source.bytes else "size not known"
        name = f"{source.repo}/{source.file}" if source else str(file.path)
        terminal.say(f"  {size:>10}  {name}")


def say_power(power: Sequence[SuitePower], terminal: Terminal) -> None:
    """Say which differences the prompts tell, with the spreads of earlier sweeps."""
    from harness.cli.results_table import too_few

    for suite in power:
        if suite.effect is None:
            terminal.say(f"{suite.suite}: {too_few(suite.num_prompts)}")
            continue
        prompts = counted(suite.num_prompts, "prompt")
        terminal.say(
            f"{suite.suite}, {suite.duration_s:g} s: {prompts} can detect differences of "
            f"{suite.effect:.2f} standard deviations over prompts (80 % power, "
            f"{suite.num_comparisons} differences tested)"
        )
        if suite.metrics:
            lines = [
                (one.metric, f"{one.spread:.3g}", f"{suite.effect * one.spread:.3g}")
                for one in suite.metrics
            ]
            header = ("metric", "deviation in earlier sweeps", "smallest detectable difference")
            terminal.print_table(header, lines)
        else:
            terminal.say("the standard deviation over prompts is unknown until first results exist")
