"""`python -m harness serve`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Annotated

import typer

from harness.cli.options import AssetsMode, Baseline, Quoted, ReportFolder, Stores
from harness.store.folders import existing_store


def serve(
    sweep: Stores,
    out: ReportFolder = None,
    assets: AssetsMode = "link",
    baseline: Baseline = None,
    quoted: Quoted = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the server; 0 takes a free one.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; the default is reachable from this machine only.",
        ),
    ] = "127.0.0.1",
    watch: Annotated[
        bool, typer.Option("--watch", help="Rebuild whenever the sweep has new results.")
    ] = False,
) -> int:
    """Show the leaderboard of one or several sweeps in a local web server.

    ```
    python -m harness serve main --watch
    ```
    """
    from harness.cli.report_view import POLL_S, build_with_bar, watch_with_bar
    from harness.cli.terminal import Terminal
    from harness.run.worker import stopping_on_signals
    from reports.site.assets import Assets
    from reports.site.build import ReportOptions
    from reports.site.serve import LOOPBACK, ReportServer

    terminal = Terminal()
    folders = [existing_store(folder) for folder in sweep]
    options = ReportOptions(Assets(assets), baseline=baseline, quoted=tuple(quoted or ()))
    first = replace(options, live=True, papers=False) if watch else options
    index = build_with_bar(folders, out, first, terminal).index
    # Signals are handled before the address is printed, because its reader may stop us at once.
    with (
        ReportServer(index, folders, host, port) as server,
        stopping_on_signals() as stop_requested,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"{server.address}  (Ctrl-C stops)", flush=True)
        if host not in LOOPBACK:
            terminal.say("Anyone who can reach this machine can read the report and its sweeps.")
        if watch:
            watch_with_bar(folders, out, options, terminal, stop_requested)
        while not stop_requested():
            time.sleep(POLL_S)
        server.shutdown()
    return 0
