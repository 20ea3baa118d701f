"""`python -m harness dev gpu-selftest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import Device


def gpu_selftest(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the checks that take three minutes together.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One check; may be repeated.")
    ] = None,
    device: Device = "auto",
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write all figures to this file.")
    ] = None,
) -> int:
    """Check every path that a GPU takes: numbers, order, memory, failures, speed.

    Weights are drawn from seeds, and no network is used. The exit code is 1 if a check fails. On a
    machine with torch, numpy, safetensors and rich alone: `make gpu-bundle`.

    ```
    python -m harness dev gpu-selftest --json selftest.json
    ```
    """
    from harness.studies.gpu_selftest.command import selftest

    return selftest(quick, only or [], device, json)
