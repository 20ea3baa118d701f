"""The laps of one walk under each other, a picture per method: the same place in every column.

A metric that gives its number by age says when a place returns: the smallest age of a video is the
length of its laps. Videos whose prompt changes are not shown: what returns there is no lap old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from eval.metric import MetricInfo
from harness.core.files import replacing
from harness.store.frames import Sweep, as_dicts
from reports.site import schema
from reports.site.assets import Addresses, AssetWriter
from reports.site.data_files import short
from reports.site.filmstrips import JPEG_QUALITY, small_frames
from reports.tables.columns import FIRST
from reports.tables.recall import compared_units
from reports.tables.table import Comparison, Group, Pair

NUM_COLUMNS, MAX_LAPS, MAX_METHODS = 9, 3, 8
_PAIR = ["prompt_id", "seed"]


@dataclass(frozen=True)
class _Walk:
    """One prompt and seed of a group, with the length of a lap and how many are shown."""

    table: Comparison
    group: Group
    info: MetricInfo
    pair: Pair
    lap_s: float
    num_laps: int


def write_laps(
    sweep: Sweep,
    comparisons: Sequence[Comparison],
    addresses: Addresses,
    folder: Path,
    writer: AssetWriter,
) -> schema.Laps | None:
    """Draw the laps of one walk by every method into `folder`, and describe the pictures.

    Args:
        sweep: the loaded run stores.
        comparisons: its tables.
        addresses: of its files; videos without a filmstrip cannot be shown.
        folder: folder of the pictures; those of an earlier report are removed.
        writer: knows the addresses, and notes the videos that cannot be drawn.

    Returns:
        None if no compared video shows a place twice, or none of them can be drawn.

    Raises:
        DiskError: the pictures cannot be written.
    """
    walk = _choose(sweep, comparisons, addresses)
    drawn = _drawn(sweep, walk, addresses, folder, writer) if walk else []
    for path in set(folder.glob("*.jpg")).difference(target for _, target in drawn):
        path.unlink(missing_ok=True)
    if walk is None or not drawn:
        return None
    return schema.Laps(
        title=walk.info.title,
        backbone=walk.group.backbone,
        prompt_id=walk.pair[0],
        prompt=drawn[0][0]["prompt"],
        seed=walk.pair[1],
        lap_s=walk.lap_s,
        num_laps=walk.num_laps,
        strips=[
            schema.LapStrip(
                u["unit_id"], u["method"], writer.address_of(target), short(u["value"], 3)
            )
            for u, target in drawn
        ],
    )


def _choose(sweep: Sweep, comparisons: Sequence[Comparison], addresses: Addresses) -> _Walk | None:
    """Choose the first prompt of the most laps, up to those that are drawn: not by its looks."""
    ages = _shown(sweep, sweep.ages, addresses)
    for table in sorted(comparisons, key=lambda t: (FIRST.index(t.kind), t.suite, -t.duration_s)):
        of_table = ages[(ages["suite"] == table.suite) & (ages["duration_s"] == table.duration_s)]
        for group in sorted(table.groups, key=lambda one: -len(one.rows)):
            found = of_table.merge(compared_units(sweep, group), on="unit_id")
            info = next((one for one in table.metrics if one.name in set(found["metric"])), None)
            laps_s: dict[Any, float] = found.groupby(_PAIR)["age_s"].min().to_dict()
            walks = [
                _Walk(table, group, info, pair, laps_s[pair], num_laps)
                for pair in group.pairs
                if info and pair in laps_s
                if (num_laps := min(MAX_LAPS, _whole_laps(table.duration_s, laps_s[pair]))) > 1
            ]
            if walks:
                return max(walks, key=lambda walk: walk.num_laps)
    return None


def _shown(sweep: Sweep, lines: pd.DataFrame, addresses: Addresses) -> pd.DataFrame:
    """Return the lines of videos that can be shown."""
    lines = lines[addresses.with_strip(lines["unit_id"])]
    return lines[~lines["unit_id"].isin(sweep.segments["unit_id"])]


def _whole_laps(duration_s: float, lap_s: float) -> int:
    # Ages are named with 6 digits: 20 s hold 3 laps of "6.66667" s.
    return int(duration_s / lap_s + 1e-3)


def _drawn(
    sweep: Sweep, walk: _Walk, addresses: Addresses, folder: Path, writer: AssetWriter
) -> list[tuple[dict[str, Any], Path]]:
    """Draw the pictures that are missing; return the videos that have one, each with its file."""
    drawn = []
    for unit in _units(sweep, walk, addresses):
        name = f"{unit['video_sha256'][:20]}_{walk.num_laps}x{walk.lap_s:g}s.jpg"
        video, target = sweep.unit_folder(unit) / unit["video"], folder / name
        draw = partial(_draw, video, walk, target)
        if target.is_file() or writer.attempt(video, draw, "its laps cannot be drawn"):
            drawn.append((unit, target))
    return drawn


def _units(sweep: Sweep, walk: _Walk, addresses: Addresses) -> list[dict[str, Any]]:
    """Return the videos of a walk, a line per method, with their value of the metric."""
    prompt_id, seed = walk.pair
    compared = compared_units(sweep, walk.group)
    chosen = compared[(compared["prompt_id"] == prompt_id) & (compared["seed"] == seed)]
    scores = sweep.scores
    of_metric = (scores["metric"] == walk.info.name) & (scores["suite"] == walk.table.suite)
    own = scores[of_metric & (scores["duration_s"] == walk.table.duration_s)]
    columns = ["unit_id", "method", "prompt", "video", "video_sha256", "source"]
    units = sweep.units[columns].merge(chosen[["unit_id", "method"]])
    units = _shown(sweep, units, addresses).head(MAX_METHODS)
    return as_dicts(units.merge(own[["unit_id", "value"]], on="unit_id"))


def _draw(video: Path, walk: _Walk, target: Path) -> None:
    """Write the picture of a video: a row of frames per lap.

    Raises:
        av.FFmpegError, OSError, ValueError: `video` is not a readable video.
    """
    num = NUM_COLUMNS * walk.num_laps
    times_s = np.arange(num) * walk.lap_s / NUM_COLUMNS
    every = small_frames(video, keys_only=False)
    first = next(every, None)
    if first is None:
        raise ValueError("no frame could be decoded")
    end_s = first[0] + times_s[-1] + 1
    frames = [first, *takewhile(lambda one: one[0] <= end_s, every)]
    shown_s = np.array([time_s for time_s, _ in frames]) - first[0]
    nearest = np.abs(shown_s[:, None] - times_s).argmin(axis=0)
    cells = [frames[index][1] for index in nearest]
    rows = [cells[first : first + NUM_COLUMNS] for first in range(0, num, NUM_COLUMNS)]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    with replacing(target, durable=False) as fresh:
        fresh.write_bytes(data.tobytes())
