"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.core.errors import ConfigError, unknown_name


def one_of(kind: str, names: tuple[str, ...], text: str) -> Any:
    """Declare an option that takes one of `names`; for a wrong one the error names the nearest."""

    def check(name: str | None) -> str | None:
        if name is not None and name not in names:
            raise unknown_name(kind, name, names)
        return name

    return typer.Option(
        metavar="|".join(names), help=text, callback=check, autocompletion=lambda: list(names)
    )


Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings in Hydra syntax, listed below."),
]
Store = Annotated[
    Path,
    typer.Option(
        "--sweep", metavar="SWEEP", help="Name or folder of a sweep; --sweep can be left out."
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print only one JSON document on standard output."),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
StallLimit = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=1e9,
        metavar="S",
        help="Seconds without a block or clip after which the process of a unit is ended and the "
        "unit counts as failed; by default never.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="CPU threads of each process; by default an even share of the cores.",
    ),
]

JsonFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Also write the figures to this JSON file."),
]
TableFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Also write the table to this file.")
]

# Options of report and serve.
Stores = Annotated[
    list[Path],
    typer.Option(
        "--sweep",
        metavar="SWEEP",
        help="Names or folders of sweeps, merged by unit id; --sweep can be left out.",
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Folder of the page; by default FOLDER/report of the first sweep.",
    ),
]
AssetsMode = Annotated[
    str,
    one_of(
        "assets",
        ("link", "copy", "none"),
        "Videos and files: leave in place, copy beside the page, or leave out.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        help="Method to compare with; sliding_window if the sweep has it.",
    ),
]
Quoted = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="YAML file of published numbers to show, or field_2026, which comes with Longtake.",
    ),
]


def numbers(text: str, key: str) -> list[float]:
    """Return the numbers of a comma list.

    Raises:
        ConfigError: a part is not a number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{key}={text}: expected numbers separated by commas.") from error


def durations(text: str) -> list[float]:
    """Return the durations of a comma list, in seconds; "whole" is infinite.

    Raises:
        ConfigError: a part is neither a number above 0 nor "whole".
    """
    from harness.core.durations import asked_duration

    try:
        found = [asked_duration(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found:
        raise ConfigError(
            f"duration={text}: expected seconds above 0 separated by commas, or whole."
        )
    return found
