"""`python -m harness dev worker`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def worker(
    shard: Annotated[Path, typer.Argument(metavar="SHARD", help="JSON file of the shard.")],
) -> int:
    """Run one shard for an executor; events are JSON lines on standard output."""
    from harness.core.events import Event
    from harness.run.worker import run_shard, stopping_on_signals
    from harness.store.shards import Shard

    # Libraries print to standard output, which must carry only events to the parent.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def emit(event: Event) -> None:
        print(event.to_line(), file=events, flush=True)

    with stopping_on_signals() as stop_requested:
        run_shard(Shard.read(shard), emit, stop_requested)
    return 0
