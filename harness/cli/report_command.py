"""`python -m harness report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import parse_pairs, sweep_folder
from reports.build import build_report


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", "out"))
    out = Path(pairs["out"]) if "out" in pairs else None
    print(build_report(sweep_folder(pairs), out).index)
    return 0
