"""Download of weights in the terminal: list of files, space on disk, verification, transfer."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from eval.scoring.suite_weights import fetch_or_unpack
from harness.cli.progress import BAR_WIDTH, name_column, unbroken
from harness.config.options import options
from harness.config.sweep import load_sweep
from harness.core.errors import ConfigError, unknown_name
from harness.core.fetch import FetchError, Unreachable, part_of
from harness.core.weights_files import WeightsFile, file_sha256
from harness.store.units import build_backbone

if TYPE_CHECKING:
    from backbones.engine.backbone import LocatedFile
    from harness.cli.terminal import Terminal


def files_of(names: Sequence[str]) -> list[LocatedFile]:
    """Return the weights files of backbones, shared ones once.

    Raises:
        UnknownName: no such backbone.
    """
    by_path: dict[Path, LocatedFile] = {}
    for name in names:
        if name not in options("backbone"):
            raise unknown_name("backbone", name, options("backbone"))
        component = load_sweep([f"backbone={name}"]).rows[0].backbone
        for file in build_backbone(component.target, component.args).files():
            by_path.setdefault(file.path, file)
    return list(by_path.values())


def file_rows(files: Iterable[LocatedFile]) -> list[tuple[str | Text, ...]]:
    """Return repository, file, size, licence and state of each file, for a table."""
    return [
        (
            file.source.repo if file.source else "this package",
            file.source.file if file.source else file.path.name,
            _size(file.source.bytes) if file.source and file.source.bytes else "",
            file.source.licence if file.source else "",
            _state(file),
        )
        for file in files
    ]


def _state(file: LocatedFile) -> str | Text:
    if file.path.is_file():
        size, expected = file.path.stat().st_size, file.source.bytes if file.source else None
        if expected in (None, size):
            return "found"
        return Text(f"{_size(size)}: another file", "red")
    part = part_of(file.path)
    if part.is_file():
        return Text(f"{_size(part.stat().st_size)} so far", "yellow")
    return Text("missing", "yellow")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2f} MB"


def check_disk(missing: Mapping[Path, WeightsFile]) -> None:
    """Check the free space of the disks before a long download.

    Raises:
        ConfigError: a disk has too little room for the files that belong there.
    """
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
            raise ConfigError(
                f"{_size(num_bytes)} to fetch, but {folder} has only {_size(free)} left; "
                "LONGTAKE_WEIGHTS=FOLDER names another place."
            )


def verify(found: Mapping[Path, WeightsFile], terminal: Terminal) -> dict[Path, str]:
    """Compare files with the published ones and return the differences; nothing is removed."""
    failed = {}
    for path, source in found.items():
        size = path.stat().st_size
        if source.bytes not in (None, size):
            wrong = f"{size} bytes, expected {source.bytes}"
        elif source.sha256 is None:
            continue
        else:
            with terminal.console.status(f"verifying {path.name}"):
                digest = file_sha256(path)
            wrong = f"sha256 {digest}, expected {source.sha256}" if digest != source.sha256 else ""
        if wrong:
            failed[path] = (
                f"{path} is not the published file ({wrong}); move it away and run this again"
            )
    return failed


def fetch_all(missing: Mapping[Path, WeightsFile], terminal: Terminal) -> dict[Path, str]:
    """Download files and return the failures; an unreachable server is tried once."""
    failed = {}
    columns = (
        BarColumn(BAR_WIDTH),
        DownloadColumn(table_column=unbroken()),
        TransferSpeedColumn(table_column=unbroken()),
        TextColumn("ETA", table_column=unbroken()),
        TimeRemainingColumn(table_column=unbroken()),
        name_column("{task.description}"),
    )
    hidden = not terminal.console.is_terminal
    with Progress(*columns, console=terminal.console, disable=hidden, expand=True) as bar:
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
                terminal.say(f"fetched {path} ({how})")
    return failed
