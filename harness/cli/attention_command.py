"""`python -m harness attention`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from harness.studies.attention import RoleShare

_SPANS = 4


def attention(
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="Description of the video.")],
    overrides: Overrides = None,
    as_json: Json = False,
) -> int:
    """Show the share of attention on sink, memory, local and virtual frames.

    A rollout is made and nothing is stored. Blocks before the context is full
    count as well; the share of tokens beside the share of attention is theirs too.

    ```
    python -m harness attention prompt="dusk grassy blue yellowish striped ball drifting" method=rag
    ```
    """
    from dataclasses import asdict

    from rich.progress import Progress

    from harness.cli.terminal import Terminal
    from harness.config.sweep import load_single
    from harness.core.devices import pick_device
    from harness.core.machine import num_cores, prepare_process
    from harness.run.prepared import PreparedUnit
    from harness.store.units import plan_units
    from harness.studies.attention import attention_shares

    terminal = Terminal(as_json=as_json)
    config = load_single(prompt, overrides or [])
    (unit,) = plan_units(config)
    prepare_process(config.settings.threads or num_cores())
    prepared = PreparedUnit.of(unit)
    device = pick_device(config.settings.device)
    backbone = prepared.source.load(device, unit.prompts)
    with Progress(console=terminal.console, transient=True) as bar:
        task = bar.add_task("attention", total=unit.num_latents)
        shares = attention_shares(prepared, backbone, lambda made: bar.update(task, completed=made))
    if as_json:
        terminal.print_json([asdict(share) for share in shares])
        return 0
    last = max(share.first_latent for share in shares)
    spans = {share.first_latent: _SPANS * share.first_latent // (last + 1) for share in shares}
    terminal.console.print(_table("all blocks and layers", shares, lambda _: ""))
    terminal.console.print(_table("layer", shares, lambda share: str(share.layer)))
    quarters = _table("quarter of the video", shares, lambda s: str(1 + spans[s.first_latent]))
    terminal.console.print(quarters)
    return 0


def _table(title: str, shares: Sequence[RoleShare], key: Callable[[RoleShare], str]) -> Table:
    """Return the mean shares by some key and role: attention, tokens and their ratio."""
    from rich.table import Table

    roles = list(dict.fromkeys(share.role for share in shares))
    table = Table(title=f"attention / tokens (ratio) by {title}")
    for column in ("", *roles):
        table.add_column(column, justify="right")
    for name in dict.fromkeys(map(key, shares)):
        # A block without frames of a role counts with 0: shares of a row add up to 100 %.
        own = [share for share in shares if key(share) == name]
        count = len({(share.first_latent, share.layer) for share in own})
        cells = []
        for role in roles:
            parts = [share for share in own if share.role == role]
            given = sum(share.attention for share in parts) / count
            tokens = sum(share.tokens for share in parts) / count
            cells.append(f"{given:.1%} / {tokens:.1%} ({given / tokens:.2f})" if tokens else "")
        table.add_row(name, *cells)
    return table
