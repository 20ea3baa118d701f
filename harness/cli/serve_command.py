"""`python -m harness serve`."""

from __future__ import annotations

import argparse
import threading
import time
from dataclasses import replace

from rich.console import Console

from harness.cli.arguments import parse_lists
from harness.cli.report_command import (
    KEYS,
    POLL_S,
    build_with_bar,
    report_settings,
    watch_with_bar,
)
from harness.core.errors import LongtakeError
from harness.run.worker import stopping_on_signals
from reports.site.serve import LOOPBACK, ReportServer

DEFAULT_PORT = 8000


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    lists = parse_lists(arguments.overrides, (*KEYS, "port", "host"))
    folders, out, options = report_settings(lists)
    port = _port(lists.get("port", [str(DEFAULT_PORT)])[-1])
    host = lists.get("host", ["127.0.0.1"])[-1]
    console = Console()
    first = replace(options, live=True, papers=False) if arguments.watch else options
    index = build_with_bar(folders, out, first, console).index
    # Signals are caught before the address is said: whoever reads it may stop us at once.
    with (
        ReportServer(index, folders, host, port) as server,
        stopping_on_signals() as stop_requested,
    ):
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        print(f"{server.address}  (Ctrl-C stops)", flush=True)
        if host not in LOOPBACK:
            print("Everybody who reaches this machine can read the report and its sweeps.")
        if arguments.watch:
            watch_with_bar(folders, out, options, console, stop_requested)
        while not stop_requested():
            time.sleep(POLL_S)
        server.shutdown()
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 65536:
        raise LongtakeError(f"port={text}: expected a number from 0 to 65535.")
    return int(text)
