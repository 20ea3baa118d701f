"""`python -m harness list runs`: all sweeps of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import StoreError
from harness.store.progress import Progress, read_progress
from harness.store.run_store import RunStore

if TYPE_CHECKING:
    from harness.cli.terminal import Terminal


def show_runs(runs: Path, terminal: Terminal) -> int:
    """Print the sweeps of a folder, the newest first, and return the exit code."""
    stores = [RunStore(path) for path in runs.glob("*/")]
    found = []
    for store in (store for store in stores if store.unit_lines_path.is_file()):
        try:
            found.append(_entry(store, read_progress(store)))
        except StoreError as error:
            terminal.say(str(error), style="red")
    found.sort(key=lambda entry: entry["last_command"] or "", reverse=True)
    if terminal.as_json:
        terminal.print_json({"runs": found})
    elif found:
        keys = ("name", "units", "done", "failed", "missing", "last_command")
        rows = [tuple(str(entry[key]) for key in keys) for entry in found]
        terminal.print_table(("sweep", *keys[1:-1], "last command"), rows)
    else:
        terminal.say(f"No sweep in {runs.absolute()}: python -m harness sweep name=NAME makes one.")
    return 0


def _entry(store: RunStore, progress: Progress) -> dict[str, Any]:
    header, page = store.header(), store.report_dir / "index.html"
    return {
        "name": store.root.name,
        "units": progress.num_units,
        "done": progress.count("done"),
        "failed": progress.count("failed"),
        "missing": progress.count("missing") + progress.count("running"),
        "last_command": header.commands[-1].time if header and header.commands else None,
        "report": str(page) if page.is_file() else None,
    }
