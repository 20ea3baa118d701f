"""`python -m harness report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.arguments import parse_pairs, sweep_folder
from harness.experiments import EXPERIMENT
from reports.ablation import build_ablation
from reports.build import build_report


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("sweep", "out"))
    out = Path(pairs["out"]) if "out" in pairs else None
    folder = sweep_folder(pairs)
    if (folder / EXPERIMENT).is_file():
        print(build_ablation(folder, out))
    print(build_report(folder, out).index)
    return 0
