"""`python -m harness dev replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json

if TYPE_CHECKING:
    from harness.studies.replay import ReplayResult


def replay(
    case: Annotated[
        Path,
        typer.Argument(
            metavar="CASE", help="The .safetensors file with noise, renoise and latents."
        ),
    ],
    rtol: Annotated[float, typer.Option(help="Largest relative error that passes.")] = 1e-3,
    as_json: Json = False,
) -> int:
    """Roll out with recorded noise and compare with recorded latents.

    The settings are in the .json file beside the .safetensors file; docs/replay.md describes the
    format. The exit code is 0 for PASS and 1 for FAIL.

    ```
    python -m harness dev replay tests/golden/rag_avg_pool.safetensors
    ```
    """
    from dataclasses import asdict

    from harness.cli.terminal import Terminal
    from harness.core.machine import num_cores, prepare_process
    from harness.studies.replay import TIE_TOLERANCE

    terminal = Terminal(as_json=as_json)
    prepare_process(num_cores())
    result = replay_with_bar(case)
    passed = result.passes(rtol)
    if as_json:
        terminal.print_json(
            {**asdict(result), "tie_tolerance": TIE_TOLERANCE, "rtol": rtol, "passed": passed}
        )
        return 0 if passed else 1
    terminal.say(f"relative error   {result.relative_error:.3g} (at most {rtol:g})")
    terminal.say(f"retrieved frames {result.num_agreeing} of {result.num_blocks} blocks agree")
    if result.num_tied:
        terminal.say(
            f"{result.num_tied} of them differ within ties: similarities at most "
            f"{TIE_TOLERANCE:g} apart"
        )
    if result.first_disagreement is not None:
        terminal.say(f"first difference in the block at latent frame {result.first_disagreement}")
    terminal.say("PASS" if passed else "FAIL")
    return 0 if passed else 1


def replay_with_bar(case: Path) -> ReplayResult:
    """Replay a recording; the bar counts its blocks and goes to standard error."""
    from rich.console import Console
    from rich.progress import Progress

    from harness.studies import replay as study

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("replay", total=None)
        return study.replay(case, lambda done, total: bar.update(task, completed=done, total=total))
