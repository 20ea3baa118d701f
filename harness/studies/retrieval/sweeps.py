"""Retrieved frames and score curves of the videos of a finished sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.retrieval.drift_relation import Curve, RetrievedBlock
from eval.video.decode import read_frames
from harness.core.errors import StoreError
from harness.store.frames import Sweep, as_dicts, load_sweep
from harness.store.trace import load_blocks
from reports.studies.retrieval_pictures import MapPanel

Videos = dict[str, list[tuple[Hashable, list[RetrievedBlock], Curve]]]
_THUMBNAIL_FRAMES = 16


@dataclass(frozen=True)
class SweepMap:
    """Retrieval map of one finished video: its panel, thumbnails and length."""

    title: str
    panel: MapPanel
    frames_NHWC: np.ndarray
    duration_s: float


def drift_videos(folder: Path) -> Videos:
    """Return the videos that retrieved, by metric: prompt, blocks and score curve of each.

    The result is empty if no video is scored.

    Raises:
        StoreError: no finished video retrieved anything.
        LongtakeError: the folder is not a run store.
    """
    sweep = load_sweep(folder)
    retrieving = list(_retrieving(sweep))
    if not retrieving:
        raise StoreError(
            f"{folder}: no finished video retrieved anything. Retrieval needs a method that "
            "retrieves (method=rag) and more than 4.5 s of video."
        )
    infos = [info for suite in sweep.metrics.values() for info in suite.values()]
    signs = {info.name: 1 if info.higher_is_better else -1 for info in infos}
    curves = {
        unit_id: {str(name): clips for name, clips in of_unit.groupby("metric", sort=False)}
        for unit_id, of_unit in sweep.curves.dropna(subset="value").groupby("unit_id")
    }
    videos: Videos = {}
    for unit, blocks in retrieving:
        for metric, clips in curves.get(unit["unit_id"], {}).items():
            clips = clips.sort_values("start_s")
            start_s, end_s, values = (
                clips[name].to_numpy(dtype=float) for name in ("start_s", "end_s", "value")
            )
            curve = Curve(start_s, end_s, values, signs[metric])
            videos.setdefault(metric, []).append((unit["prompt_id"], blocks, curve))
    return videos


def sweep_maps(folder: Path, count: int) -> list[SweepMap]:
    """Build retrieval maps of the first `count` videos of every row that retrieves."""
    sweep = load_sweep(folder)
    maps: list[SweepMap] = []
    made: Counter[tuple[str, str]] = Counter()
    for unit, blocks in _retrieving(sweep):
        row = (unit["backbone"], unit["method"])
        if made[row] == count:
            continue
        made[row] += 1
        step = max(1, int(unit["num_frames"]) // _THUMBNAIL_FRAMES)
        video = sweep.unit_folder(unit) / unit["video"]
        frames = np.stack([f for i, f in enumerate(read_frames(video)) if i % step == 0])
        latent_s = unit["duration_s"] / unit["num_latents"]
        scored = all(block.scores for block in blocks)
        panel = MapPanel(
            title=unit["method"],
            query_s=[block.start_s for block in blocks for _ in block.frames],
            frame_s=[frame * latent_s for block in blocks for frame in block.frames],
            cosines=[s for block in blocks for s in block.scores or ()] if scored else None,
        )
        title = f"{unit['backbone']} | {unit['method']} | {unit['prompt']}"
        maps.append(SweepMap(title, panel, frames, float(unit["duration_s"])))
    return maps


def _retrieving(sweep: Sweep) -> Iterator[tuple[dict[str, Any], list[RetrievedBlock]]]:
    """Yield the finished units that retrieved something, with the retrieval of each block."""
    for unit in as_dicts(sweep.units[sweep.units["status"] == "done"]):
        if blocks := [RetrievedBlock(*block) for block in load_blocks(sweep.folder, unit)]:
            yield unit, blocks
