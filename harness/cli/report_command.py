"""`python -m harness report`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import AssetsMode, Baseline, Json, Quoted, ReportFolder, Stores
from harness.store.folders import existing_store


def report(
    sweep: Stores,
    out: ReportFolder = None,
    assets: AssetsMode = "link",
    baseline: Baseline = None,
    quoted: Quoted = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Rebuild whenever the sweep has new results, until it is finished."
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Render tables, plots and the leaderboard of one or several sweeps.

    ```
    python -m harness report main
    python -m harness report mine theirs out=site assets=copy
    ```
    """
    from harness.cli.report_view import build_with_bar, report_json, watch_with_bar
    from harness.cli.terminal import Terminal
    from harness.run.worker import stopping_on_signals
    from reports.site.assets import Assets
    from reports.site.build import ReportOptions

    terminal = Terminal(as_json=as_json)
    folders = [existing_store(folder) for folder in sweep]
    options = ReportOptions(Assets(assets), baseline=baseline, quoted=tuple(quoted or ()))
    if watch:
        with stopping_on_signals() as stop_requested:
            finished = watch_with_bar(folders, out, options, terminal, stop_requested)
        if finished is None:
            return 1
    else:
        finished = build_with_bar(folders, out, options, terminal)
    if as_json:
        terminal.print_json(report_json(finished))
        return 0
    terminal.say(finished.headline)
    for path in (*finished.ablations, finished.index):
        terminal.say(f"{path}")
    return 0
