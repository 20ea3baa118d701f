"""VBench-Long's numbers of whole rows, from the score files of a run store."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.scoring.results import Scores
from eval.scoring.suite import find_suite
from eval.vbench_long import dataset
from eval.vbench_long.dataset import DIMENSIONS, VideoClips, dimensions_of, score_videos
from eval.vbench_long.final_scores import final_scores
from harness.core.durations import duration_of, plain_duration
from harness.core.errors import StoreError
from harness.core.files import read_bytes, replacing, write_json
from harness.core.typed_files import from_line, to_line
from harness.store.run_store import RunStore

SUITE = "vbench_long"
_ROWS_CODE = Path(dataset.__file__).parent


def write_rows(store: RunStore, suites: Sequence[str]) -> Path | None:
    """Write metrics/vbench_long.rows.json, if the suite was asked for.

    Returns:
        Its path, or None.
    """
    if SUITE not in suites:
        return None
    path = store.rows_path(SUITE)
    write_json(path, row_scores(store))
    return path


def row_scores(store: RunStore) -> list[dict[str, Any]]:
    """Return dimensions and final scores for every backbone, method and duration.

    Videos that stand still are left out and counted as `num_frozen`. Files of scores are read of
    those rows alone in which one changed since the last command.

    Each dimension, and each final score, has the keys `official` (the official aggregation) and
    `per_video`, defined in `eval.vbench_long.dataset` and `eval.vbench_long.final_scores`.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for line in store.unit_lines():
        rows.setdefault(line.row, []).append(line.unit_id)
    kept, code = _read_kept(store), _code()
    found, whole = [], {}
    for row, unit_ids in rows.items():
        key, unread = _key(store, [code, *row], unit_ids), list[str]()
        lines = kept.get(key)
        if lines is None:
            lines = list(_row_scores(store, row, unit_ids, unread))
        if not unread:  # what can't be read now may be read later, though it does not change
            whole[key] = lines
        found += lines
    _write_kept(store, whole)
    return found


def _row_scores(
    store: RunStore, row: tuple[str, str], unit_ids: Sequence[str], unread: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield the line of each duration of a row; note the units whose file can't be read."""
    videos: dict[str, list[dict[str, VideoClips]]] = {}
    num_frozen: Counter[str] = Counter()
    for scores in _scores(store, unit_ids, unread):
        for duration in scores.durations:
            having = videos.setdefault(duration, [])
            if scores.stands_still(duration):
                num_frozen[duration] += 1
            else:
                having.append(dimensions_of(scores, duration))
    for duration in sorted(videos, key=duration_of):
        dimensions = score_videos(videos[duration])
        numbers = {
            aggregation: {name: getattr(dimensions[name], aggregation) for name in DIMENSIONS}
            for aggregation in ("official", "per_video")
        }
        yield {
            "backbone": row[0],
            "method": row[1],
            "duration_s": plain_duration(duration_of(duration)),
            "num_videos": len(videos[duration]),
            "num_frozen": num_frozen[duration],
            "dimensions": {name: asdict(dimensions[name]) for name in DIMENSIONS},
            "final": {name: asdict(final_scores(of)) for name, of in numbers.items()},
        }


def _scores(store: RunStore, unit_ids: Sequence[str], unread: list[str]) -> Iterator[Scores]:
    """Yield the scores of this version of the suite; note the units whose file can't be read."""
    version = find_suite(SUITE).version
    for unit_id in unit_ids:
        scores = store.scores(SUITE, unit_id)
        if scores is None and store.scores_path(SUITE, unit_id).exists():
            unread.append(unit_id)
        if scores is not None and scores.suite_version == version:
            yield scores


@dataclass(frozen=True)
class _Kept:
    """The rows of the last command, by a digest of what each was made from."""

    rows: dict[str, list[dict[str, Any]]]


def _read_kept(store: RunStore) -> dict[str, list[dict[str, Any]]]:
    try:
        return from_line(read_bytes(_kept_path(store)), _Kept, "kept rows", sealed=True).rows
    except (OSError, StoreError):
        return {}


def _write_kept(store: RunStore, rows: dict[str, list[dict[str, Any]]]) -> None:
    with contextlib.suppress(OSError), replacing(_kept_path(store), durable=False) as fresh:
        fresh.write_bytes(to_line(_Kept(rows)))


def _kept_path(store: RunStore) -> Path:
    return store.index_dir / f"{SUITE}.rows.json"


def _key(store: RunStore, texts: Sequence[str], unit_ids: Sequence[str]) -> str:
    """Return a digest that changes with some texts, the units, and the time of any file of them."""
    found = hashlib.blake2b("\n".join(texts).encode(), digest_size=16)
    folder = store.suite_dir(SUITE)
    for unit_id in unit_ids:
        try:
            stat = os.stat(f"{folder}/{unit_id}.json")  # noqa: PTH116 - of a million
        except OSError:
            found.update(f"{unit_id}\n".encode())
        else:
            found.update(f"{unit_id} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return found.hexdigest()


def _code() -> str:
    """Return a digest of the code that makes rows of scores."""
    texts = [Path(__file__).read_text(encoding="utf-8"), find_suite(SUITE).version]
    texts += [path.read_text(encoding="utf-8") for path in sorted(_ROWS_CODE.glob("*.py"))]
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()
