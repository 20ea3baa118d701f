"""`python -m harness fetch-weights`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.core.errors import ConfigError

_PLAIN_WIDTH = 150  # width of the table in a file or pipe


def fetch_weights(
    backbone: Annotated[
        str, typer.Option(metavar="NAME[,NAME]", help="Backbones whose weights are needed.")
    ] = "",
    suite: Annotated[
        str,
        typer.Option(metavar="NAME[,NAME]", help="Suites whose networks are needed, or fidelity."),
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print files, sizes, licences and what is missing."),
    ] = False,
) -> int:
    """Download the released weights of backbones and metrics, or show where each file belongs.

    Interrupted downloads are resumed, and every file is verified. Without a network it prints
    the URL and the destination of each missing file. LONGTAKE_WEIGHTS sets the folder.

    ```
    python -m harness fetch-weights backbone=self_forcing,longlive
    python -m harness fetch-weights suite=vbench_long
    ```
    """
    from eval.scoring.suite import SUITES
    from eval.scoring.suite_weights import FIDELITY, suite_files
    from harness.cli.downloads import check_disk, fetch_all, file_rows, files_of, verify
    from harness.cli.terminal import Terminal
    from harness.config.options import options
    from harness.core.weights_files import weights_root

    if not backbone and not suite:
        raise ConfigError(
            f"Name the weights to fetch: backbone=NAME[,NAME] of {', '.join(options('backbone'))}; "
            f"suite=NAME[,NAME] of {', '.join([*SUITES, FIDELITY])}."
        )
    files = files_of(backbone.split(",")) if backbone else []
    files += suite_files(suite.split(",")) if suite else []
    terminal = Terminal(plain_width=_PLAIN_WIDTH)
    header = ("repository", "file", "size", "licence", "here")
    terminal.print_table(header, file_rows(files))
    wanted = {file.path: file.source for file in files if file.source is not None}
    missing = {path: source for path, source in wanted.items() if not path.is_file()}
    if backbone:
        terminal.say(
            f"Files belong at {weights_root()}/REPOSITORY/FILE; LONGTAKE_WEIGHTS sets the folder."
        )
    if suite:
        terminal.say("Files of a suite belong at ~/.cache/FILE, the layout of the official code.")
    if dry_run:
        return 0
    check_disk(missing)
    failed = verify({path: wanted[path] for path in wanted.keys() - missing.keys()}, terminal)
    failed |= fetch_all(missing, terminal)
    for path, reason in failed.items():
        terminal.say(f"failed: {reason}\n  put {wanted[path].url}\n  at  {path}", style="red")
    if not failed:
        terminal.say("All files are in place.")
    return 1 if failed else 0
