"""`python -m harness vote`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Stores
from harness.store.folders import existing_store

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal
    from reports.votes.ballots import Counted


def vote(
    sweep: Stores,
    votes: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Files of votes to count, or folders of them; without any, make the page.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the page; by default vote in the sweep."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pairs that each person is asked about.")
    ] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sides and order.")] = 0,
) -> int:
    """Make a page for blind votes on pairs of videos, or count the votes.

    The key, vote_key.json in the sweep, tells which side is which; keep it from voters.

    ```
    python -m harness vote main pairs=60
    python -m harness vote main votes=a.json votes=b.json
    python -m harness serve main --votes
    ```
    """
    from harness.cli.terminal import Terminal
    from harness.store.frames import load_sweeps
    from reports.votes.ballots import ballot_files, count_votes, read_key
    from reports.votes.page import PAGE_FOLDER, write_vote_page

    terminal = Terminal()
    folders = [existing_store(folder) for folder in sweep]
    if not votes:
        from eval.statistics.davidson import votes_needed

        page = out or folders[0] / PAGE_FOLDER
        key = write_vote_page(load_sweeps(folders), page, folders[0], pairs, seed)
        terminal.say(
            f"To tell 60 % of wins from 50 % takes about {votes_needed(0.6)} votes on a pair of "
            f"methods, 70 % about {votes_needed(0.7)}; more where voters or prompts repeat."
        )
        terminal.say(f"{len(key.pairs)} pairs a person: {page / 'index.html'}")
        return 0
    counted = count_votes(ballot_files(votes), read_key(folders[0]))
    for file, reason in counted.left_out.items():
        terminal.say(f"left out: {file}: {reason}", style="red")
    _print(counted, terminal)
    return 1 if counted.left_out else 0


def _print(counted: Counted, terminal: Terminal) -> None:
    from reports.votes.ballots import vote_scores

    rows = []
    for one in vote_scores(counted):
        known = one.low is not None and one.high is not None
        interval = f"{one.low:+.2f} to {one.high:+.2f}" if known else "too few prompts"
        wins = f"{one.num_wins} of {one.num_votes}, {one.num_ties} ties"
        rows.append((one.backbone, one.method, f"{one.strength:+.2f}", interval, wins))
    header = ("backbone", "method", "log strength", "95 %", "wins")
    terminal.print_table(header, rows)
    terminal.say(f"{counted.num_voters} voters; Davidson's model, prompts and voters resampled.")
