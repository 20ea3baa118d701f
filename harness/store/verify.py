"""Verification of a run store: every file that is read back is compared with its digest or type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from eval.scoring.results import Scores
from harness.core.errors import StoreError
from harness.core.typed_files import from_line, read_typed
from harness.store.failures import Failure
from harness.store.header import Header, lost_beside_others, read_header
from harness.store.index import check_index
from harness.store.lines import UnitLine
from harness.store.paths import StorePaths
from harness.store.record import Record, VideoFile
from harness.store.saved_latents import SavedLatents


@dataclass(frozen=True)
class Fault:
    """A file that isn't what was written.

    Attributes:
        path: the file.
        reason: what is wrong with it.
        removed: files whose removal lets the same command make everything again; none for a
            file that the command rewrites anyway.
    """

    path: Path
    reason: str
    removed: tuple[Path, ...] = ()


def verify_store(
    paths: StorePaths, threads: int, on_unit: Callable[[str, list[Fault]], None]
) -> list[Fault]:
    """Read every digest of a sweep, units in parallel.

    Args:
        paths: the sweep.
        threads: units that are read at once; hashing does not hold Python's lock.
        on_unit: called with the id of each unit and its faults, in the order of their ids.

    Returns:
        All faults, those of the sweep's own files first.
    """
    faults = list(_own_files(paths))
    unit_ids = unit_ids_of(paths)
    with ThreadPoolExecutor(threads) as pool:
        for unit_id, found in zip(
            unit_ids, pool.map(lambda unit_id: list(_unit(paths, unit_id)), unit_ids), strict=True
        ):
            faults += found
            on_unit(unit_id, found)
    return faults


def unit_ids_of(paths: StorePaths) -> list[str]:
    """Return the ids of all units that have a folder, sorted."""
    if not paths.units_dir.is_dir():
        return []
    return sorted(path.name for path in paths.units_dir.iterdir() if path.is_dir())


def repair_fault(fault: Fault) -> None:
    """Remove the files that a fault is about."""
    for path in fault.removed:
        path.unlink(missing_ok=True)


def _own_files(paths: StorePaths) -> Iterator[Fault]:
    for path, reason in check_index(paths):
        yield Fault(path, reason, (path,))
    header: Header | None = None
    try:
        header = read_header(paths.header_path)
    except FileNotFoundError:
        yield Fault(paths.header_path, "missing")
    except (OSError, StoreError) as error:
        yield Fault(paths.header_path, _reason(paths.header_path, error))
    try:
        lines = [line for line in paths.unit_lines_path.read_bytes().split(b"\n") if line.strip()]
    except FileNotFoundError:
        yield Fault(paths.unit_lines_path, "missing")
        return
    if lost := header and lost_beside_others(paths.header_path, header, len(lines)):
        yield Fault(paths.unit_lines_path, lost)
    for number, line in enumerate(lines, start=1):
        try:
            from_line(line, UnitLine, f"line {number}")
        except StoreError as error:
            yield Fault(paths.unit_lines_path, str(error))


def _unit(paths: StorePaths, unit_id: str) -> Iterator[Fault]:
    for path in sorted(paths.unit_dir(unit_id).glob("failure*.json")):
        try:
            read_typed(path, Failure)
        except (OSError, StoreError) as error:
            yield Fault(path, _reason(path, error), (path,))
    for path in paths.chunk_paths(unit_id):
        saved = _saved_latents(path, unit_id, int(path.stem))
        if isinstance(saved, Fault):
            yield saved
    path = paths.record_path(unit_id)
    try:
        record = read_typed(path, Record)
    except FileNotFoundError:
        return
    except (OSError, StoreError) as error:
        yield Fault(path, _reason(path, error), (path,))
        return
    if record.unit_id != unit_id:
        yield Fault(path, f"record of another unit, {record.unit_id}", (path,))
        return
    yield from _video(paths, record)
    if record.generation is not None:
        yield from _latents_and_plans(paths, unit_id, record.generation.num_latents)
    for suite in paths.suites():
        yield from _scores(paths.scores_path(suite, unit_id), suite, record)


def _video(paths: StorePaths, record: Record) -> Iterator[Fault]:
    path = paths.unit_dir(record.unit_id) / record.video.file
    # Without its record the unit counts as unfinished, and is made or imported again.
    removed = (paths.record_path(record.unit_id),)
    if not path.is_file():
        yield Fault(path, "missing", removed)
    elif VideoFile.of(path).sha256 != record.video.sha256:
        yield Fault(path, "damaged (checksum mismatch)", removed)


def _saved_latents(path: Path, unit_id: str, first_frame: int) -> SavedLatents | Fault:
    try:
        return SavedLatents.read(path, unit_id, first_frame)
    except FileNotFoundError:
        return Fault(path, "missing; a longer video of this unit will start over")
    except StoreError as error:
        return Fault(path, _reason(path, error), (path,))


def _latents_and_plans(paths: StorePaths, unit_id: str, num_latents: int) -> Iterator[Fault]:
    path = paths.latents_path(unit_id)
    saved = _saved_latents(path, unit_id, 0)
    if isinstance(saved, Fault):
        yield saved
        return
    if len(saved.latents) != num_latents:
        reason = f"{len(saved.latents)} latent frames, the record has {num_latents}"
        yield Fault(path, reason, (path,))
    path, removed = paths.trace_path(unit_id), (paths.record_path(unit_id),)
    try:
        plans = tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        yield Fault(path, _reason(path, error), removed)
        return
    if plans != saved.trace:
        yield Fault(path, "damaged (not the saved plans)", removed)


def _scores(path: Path, suite: str, record: Record) -> Iterator[Fault]:
    try:
        scores = read_typed(path, Scores)
    except FileNotFoundError:
        return
    except (OSError, StoreError) as error:
        yield Fault(path, _reason(path, error), (path,))
        return
    if (scores.suite, scores.unit_id) != (suite, record.unit_id):
        yield Fault(path, "scores of another unit or suite", (path,))
    elif scores.video_sha256 != record.video.sha256:
        yield Fault(path, "scores of another video", (path,))


def _reason(path: Path, error: Exception) -> str:
    return " ".join(str(error).removeprefix(f"{path}").lstrip(": ").split()).rstrip(".")
