"""`python -m harness fetch-weights`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from eval.scoring.suite import SUITES
from eval.scoring.suite_weights import fetch_or_unpack, suite_files
from harness.cli.arguments import parse_pairs
from harness.config.sweep import load_sweep, options
from harness.core.errors import LongtakeError, unknown_name
from harness.core.fetch import FetchError, Unreachable, part_of
from harness.core.weights_files import WeightsFile, file_sha256, weights_root
from harness.store.units import build_backbone

if TYPE_CHECKING:
    from backbones.engine.backbone import LocatedFile

_PLAIN_WIDTH = 150  # of the table in a file or pipe


def run(arguments: argparse.Namespace) -> int:
    """Run the command; see harness.cli."""
    pairs = parse_pairs(arguments.overrides, ("backbone", "suite"))
    if not pairs:
        raise LongtakeError(
            f"Which weights? backbone=NAME[,NAME]: {', '.join(options('backbone'))}; "
            f"suite=NAME[,NAME]: {', '.join(SUITES)}."
        )
    files = _files_of(pairs["backbone"].split(",")) if "backbone" in pairs else []
    files += suite_files(pairs["suite"].split(",")) if "suite" in pairs else []
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    console.print(_table(files))
    wanted = {file.path: file.source for file in files if file.source is not None}
    missing = {path: source for path, source in wanted.items() if not path.is_file()}
    if "backbone" in pairs:
        print(f"A file belongs at {weights_root()}/REPOSITORY/FILE; LONGTAKE_WEIGHTS moves it.")
    if "suite" in pairs:
        print("A file of a suite belongs at ~/.cache/FILE, the layout of the official code.")
    if arguments.dry_run:
        return 0
    _check_disk(missing)
    failed = _verify({path: wanted[path] for path in wanted.keys() - missing.keys()}, console)
    failed |= _fetch(missing, console)
    for path, reason in failed.items():
        console.print(
            f"failed: {reason}\n  put {wanted[path].url}\n  at  {path}",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if not failed:
        print("All files are in place.")
    return 1 if failed else 0


def _files_of(names: Sequence[str]) -> list[LocatedFile]:
    """Weights files of backbones, shared ones once."""
    by_path: dict[Path, LocatedFile] = {}
    for name in names:
        if name not in options("backbone"):
            raise unknown_name("backbone", name, options("backbone"))
        component = load_sweep([f"backbone={name}"]).rows[0].backbone
        for file in build_backbone(component.target, component.args).files():
            by_path.setdefault(file.path, file)
    return list(by_path.values())


def _table(files: Iterable[LocatedFile]) -> Table:
    table = Table("repository", "file", "size", "licence", "here")
    for column in table.columns:
        column.overflow = "fold"
    for file in files:
        source = file.source
        table.add_row(
            source.repo if source else "this package",
            source.file if source else file.path.name,
            _size(source.bytes) if source and source.bytes else "",
            source.licence if source else "",
            _state(file),
        )
    return table


def _state(file: LocatedFile) -> str:
    if file.path.is_file():
        size, expected = file.path.stat().st_size, file.source.bytes if file.source else None
        if expected in (None, size):
            return "found"
        return f"[red]{_size(size)}: another file"
    part = part_of(file.path)
    if part.is_file():
        return f"[yellow]{_size(part.stat().st_size)} so far"
    return "[yellow]missing"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2f} MB"


def _check_disk(missing: dict[Path, WeightsFile]) -> None:
    """Refuse what can't fit before hours are spent on it."""
    needed: Counter[int] = Counter()
    folders: dict[int, Path] = {}
    for path, source in missing.items():
        folder = path.parent
        while not folder.is_dir():
            folder = folder.parent
        disk, part = folder.stat().st_dev, part_of(path)
        folders.setdefault(disk, folder)
        needed[disk] += (source.bytes or 0) - (part.stat().st_size if part.is_file() else 0)
    for disk, num_bytes in needed.items():
        folder = folders[disk]
        free = shutil.disk_usage(folder).free
        if num_bytes > free:
            raise LongtakeError(
                f"{_size(num_bytes)} to fetch, but {folder} has only {_size(free)} left; "
                "LONGTAKE_WEIGHTS=FOLDER names another place."
            )


def _verify(found: dict[Path, WeightsFile], console: Console) -> dict[Path, str]:
    """What is there already must be what it claims to be; nothing of the user is removed."""
    failed = {}
    for path, source in found.items():
        size = path.stat().st_size
        if source.bytes not in (None, size):
            wrong = f"{size} bytes, expected {source.bytes}"
        elif source.sha256 is None:
            continue
        else:
            with console.status(f"verifying {path.name}"):
                digest = file_sha256(path)
            wrong = f"sha256 {digest}, expected {source.sha256}" if digest != source.sha256 else ""
        if wrong:
            failed[path] = (
                f"{path} is not the published file ({wrong}); move it away and run this again"
            )
    return failed


def _fetch(missing: dict[Path, WeightsFile], console: Console) -> dict[Path, str]:
    failed = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        unreachable: set[str] = set()
        for path, source in missing.items():
            server = urlsplit(source.url).netloc
            if server in unreachable:
                failed[path] = f"{source.file}: not tried"
                continue
            task = bar.add_task(path.name, total=source.bytes)

            def on_bytes(done: int, total: int | None, task: int = task) -> None:
                bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

            try:
                verified = fetch_or_unpack(source, path, on_bytes)
            except FetchError as error:
                failed[path] = str(error)
                if isinstance(error, Unreachable):
                    unreachable.add(server)
            else:
                how = "verified" if verified else "its sha256 is not known"
                console.print(
                    f"fetched {path} ({how})", markup=False, highlight=False, soft_wrap=True
                )
    return failed
