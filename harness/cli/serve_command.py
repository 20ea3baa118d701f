"""`python -m harness serve`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import AssetsMode, Baseline, Quoted, ReportFolder, Stores
from harness.core.errors import ConfigError
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal


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
    votes: Annotated[
        bool,
        typer.Option(
            "--votes", help="Serve the page of `vote` instead, and collect what people send."
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Rebuild whenever the sweep has new results.")
    ] = False,
) -> int:
    """Show the leaderboard of one or several sweeps in a local web server, or collect votes.

    ```
    python -m harness serve main --watch
    python -m harness serve main --votes
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
    if votes:
        if len(folders) > 1 or watch or out or baseline or quoted or assets != "link":
            raise ConfigError(
                "--votes serves the page of one sweep; it takes host and port, no other setting."
            )
        return _collect_votes(folders[0], host, port, terminal)
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


def _collect_votes(folder: Path, host: str, port: int, terminal: Terminal) -> int:
    from harness.cli.report_view import POLL_S
    from harness.run.worker import stopping_on_signals
    from reports.votes.collect import VoteServer

    with VoteServer(folder, host, port) as server, stopping_on_signals() as stop_requested:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"{server.address}  (Ctrl-C stops)", flush=True)
        terminal.say(f"Votes are kept in {server.votes}; count: vote {folder} votes={server.votes}")
        while not stop_requested():
            time.sleep(POLL_S)
        server.shutdown()
    return 0
