"""`python -m harness dev bench-metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Device, JsonFile, Threads, numbers
from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from harness.studies.official.bench import MetricsBench


def bench_metrics(
    video: Annotated[Path, typer.Option(metavar="FILE", help="The video to score.")],
    duration: Annotated[
        str, typer.Option(metavar="S[,S]", help="Seconds from its start to score.")
    ] = "4",
    device: Device = "auto",
    threads: Threads = None,
    out: JsonFile = None,
) -> int:
    """Time VBench-Long on one video, the official code against ours.

    Needs a checkout, the extra vbench and the weights. Both score the same clips with the same
    threads, each in a process of its own: CPU seconds, peak memory, difference of the scores.

    ```
    python -m harness dev bench-metrics video=FILE duration=30,60,120
    ```
    """
    from harness.cli.checkout import needs_checkout
    from harness.cli.terminal import Terminal
    from harness.core.devices import pick_device
    from harness.core.files import write_json
    from harness.core.machine import num_cores

    with needs_checkout("dev bench-metrics"):
        from harness.studies.official import bench
    durations_s = numbers(duration, "duration")
    if min(durations_s) <= 0:
        raise ConfigError(f"duration={duration}: expected positive numbers.")
    threads = threads or num_cores()
    terminal = Terminal()
    with terminal.console.status("bench-metrics") as status:
        result = bench.bench_metrics(
            video, durations_s, threads, str(pick_device(device)), status.update
        )
    longest = f"{max(durations_s):g} s"
    _print_dimensions(result, f"{longest}, CPU seconds with loading, {threads} threads", terminal)
    _print_totals(result, terminal)
    machine = result.machine
    terminal.say(
        f"{machine.gpu or machine.host_cpu}, torch {machine.torch}; each total is one "
        "process, imports included"
    )
    if out:
        write_json(out, result.to_json())
    return 0


def _print_dimensions(result: MetricsBench, title: str, terminal: Terminal) -> None:
    terminal.print_table(
        ("dimension", "official s", "ours s", "ratio", "official", "difference"),
        [
            (
                row.dimension,
                f"{row.official_s:.1f}",
                f"{row.ours_s:.1f}",
                f"{row.official_s / row.ours_s:.2f}",
                f"{row.official:.6f}",
                f"{row.ours - row.official:+.1e}",
            )
            for row in result.dimensions
        ],
        title=title,
    )


def _print_totals(result: MetricsBench, terminal: Terminal) -> None:
    terminal.print_table(
        ("durations", "clips", "official s", "ours s", "ratio", "official MiB", "ours MiB"),
        [
            (
                row.label,
                "/".join(map(str, dict.fromkeys(row.num_clips))),
                f"{row.official_s:.1f}",
                f"{row.ours_s:.1f}",
                f"{row.official_s / row.ours_s:.2f}",
                f"{row.official_mib:.0f}",
                f"{row.ours_mib:.0f}",
            )
            for row in result.totals
        ],
    )
