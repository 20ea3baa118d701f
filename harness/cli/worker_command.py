"""`python -m harness dev worker`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import StallLimit


def worker(
    shard: Annotated[Path, typer.Argument(metavar="SHARD", help="JSON file of the shard.")],
    stall_limit_s: StallLimit = None,
) -> int:
    """Run one shard for an executor; events are JSON lines on standard output."""
    from harness.core.events import Event
    from harness.run.stalls import ending_if_stalled
    from harness.run.worker import run_shard, stopping_on_signals
    from harness.store.shards import Shard

    # Libraries print to standard output, which must carry only events to the parent.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    lock = threading.Lock()  # notes come from another thread

    def emit(event: Event) -> None:
        with lock:
            print(event.to_line(), file=events, flush=True)

    with (
        stopping_on_signals() as stop_requested,
        ending_if_stalled(stall_limit_s, sys.stderr, emit, stop_requested) as functions,
    ):
        run_shard(Shard.read(shard), *functions)
    return 0
