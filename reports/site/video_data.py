"""The data of each video's page, which the site loads on demand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, starmap
from typing import Any

import numpy as np
import pandas as pd

from harness.core.durations import duration_name, plain_duration
from harness.core.typed_files import to_plain
from harness.store.files import Reader
from harness.store.frames import Sweep, as_dicts
from harness.store.record import Record
from harness.store.trace import retrieval_lines
from reports.site import schema
from reports.site.assets import UnitAssets
from reports.site.data_files import short
from reports.site.published import Hide


def video_data(
    sweep: Sweep,
    units: pd.DataFrame,
    scores: pd.DataFrame,
    assets: Sequence[UnitAssets],
    frozen_s: Mapping[str, list[float | str]],
    hide: Hide = str,
) -> Iterator[tuple[schema.Video, list[str]]]:
    """Yield the data of finished units, and warnings about the files of each.

    Args:
        sweep: the loaded run stores.
        units: lines of `Sweep.units`, whose curves and scores are in memory at once.
        scores: their lines of `Sweep.scores`.
        assets: the addresses of the files of each.
        frozen_s: of `frozen_seconds`.
        hide: applied to the texts of the records.
    """
    lines = as_dicts(units)
    curves = {suite: _Curves(sweep, suite, units["unit_id"]) for suite in sweep.clips.suites}
    drift = {suite: sweep.clips.drift(suite, units["unit_id"]) for suite in sweep.clips.suites}
    of_units = _scores(scores)
    for unit, files in zip(lines, assets, strict=True):
        unit_id = unit["unit_id"]
        reader = Reader(sweep.sources[unit["source"]].folder)
        record = reader.read(reader.paths.record_path(unit_id), Record)
        generation = record.generation if record else None
        width, height = (
            int(unit[name]) if math.isfinite(unit[name]) else 1 for name in ("width", "height")
        )
        text = json.dumps(to_plain(record) if record else {}, indent=1, ensure_ascii=False)
        video = schema.Video(
            unit_id=unit_id,
            backbone=unit["backbone"],
            method=unit["method"],
            prompt_id=unit["prompt_id"],
            prompt=unit["prompt"],
            seed=int(unit["seed"]),
            source=unit["source"],
            length_s=round(unit["num_frames"] / unit["fps"], 3),
            width=width,
            height=height,
            video=files.video,
            strip=files.strip,
            files=_links(files),
            sha256=unit["video_sha256"],
            device=unit["device"],
            scores=of_units.get(unit_id, {}),
            curves={s: found for s, c in curves.items() if (found := c.of(unit_id))},
            retrievals=_retrievals(reader, unit),
            timings_s=dict(sorted(generation.timings_s.items())) if generation else {},
            memory_mib=dict(sorted(generation.memory_mib.items())) if generation else {},
            drift=_drift({s: of[unit_id] for s, of in drift.items() if unit_id in of}),
            frozen_s=frozen_s.get(unit_id, []),
            record=hide(text),
        )
        yield video, reader.warnings


def frozen_seconds(sweep: Sweep) -> dict[str, list[float | str]]:
    """Return by unit the durations in which its video stands still."""
    found: dict[str, list[float | str]] = {}
    for unit_id, duration_s in sorted(sweep.frozen):
        found.setdefault(unit_id, []).append(plain_duration(duration_s))
    return found


def _links(files: UnitAssets) -> list[schema.Link]:
    named = [("video", files.video), ("record.json", files.record), ("trace.jsonl", files.trace)]
    named += [(f"scores of suite {suite}", address) for suite, address in files.scores.items()]
    return [schema.Link(name, address) for name, address in named if address is not None]


def _scores(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, dict[str, float | str]]]]:
    """Return by unit, suite, metric and duration a number, or the reason why there is none."""
    found: dict[str, dict[str, dict[str, dict[str, float | str]]]] = {}
    names = ("unit_id", "suite", "metric", "duration_s", "value", "reason")
    for unit_id, suite, metric, duration_s, value, reason in zip(
        *(scores[name] for name in names), strict=True
    ):
        known = short(value)
        of_metric = found.setdefault(unit_id, {}).setdefault(suite, {}).setdefault(metric, {})
        of_metric[duration_name(duration_s)] = known if known is not None else str(reason)
    return found


def _retrievals(reader: Reader, unit: Mapping[str, Any]) -> list[schema.Retrieval]:
    if unit["imported"] or not math.isfinite(unit["num_latents"]):
        return []
    lines = retrieval_lines(
        reader, unit["unit_id"], int(unit["num_latents"]), int(unit["num_frames"]), unit["fps"]
    )
    blocks: dict[float, schema.Retrieval] = {}
    for _, query_s, frame_s, similarity in lines:
        block = blocks.setdefault(query_s, schema.Retrieval(round(query_s, 3), [], []))
        block.frame_s.append(round(frame_s, 3))
        block.similarity.append(short(similarity, 5))
    return list(blocks.values())


def _drift(
    drift: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]],
) -> dict[str, dict[str, dict[str, schema.Drift]]]:
    return {
        suite: {
            metric: {
                duration: schema.Drift(
                    slope_per_min=short(line.get("slope_per_min")),
                    early_half=short(line.get("early_half")),
                    late_half=short(line.get("late_half")),
                    late_similarity=short(line.get("late_similarity")),
                )
                for duration, line in lines.items()
            }
            for metric, lines in metrics.items()
        }
        for suite, metrics in drift.items()
    }


class _Curves:
    """The curves of some units, sliced by position, because a frame per unit would take minutes."""

    def __init__(self, sweep: Sweep, suite: str, unit_ids: pd.Series) -> None:
        self._lines = sweep.clips.of(suite, unit_ids)
        ends = np.searchsorted(self._lines.unit, np.arange(len(unit_ids) + 1)).tolist()
        self._slices = dict(zip(unit_ids, starmap(slice, pairwise(ends)), strict=True))

    def of(self, unit_id: str) -> schema.Curves | None:
        """Return the curves of a unit, which all have the same clips; None without any."""
        own = self._slices[unit_id]
        metric = self._lines.metric[own]
        if not len(metric):
            return None
        start_s, end_s, values = (
            self._lines.numbers[name][own] for name in ("start_s", "end_s", "value")
        )
        clips = metric == metric[0]
        return schema.Curves(
            start_s=[round(float(second), 3) for second in start_s[clips]],
            end_s=[round(float(second), 3) for second in end_s[clips]],
            values={
                self._lines.metrics[code]: [short(v, 5) for v in values[metric == code]]
                for code in dict.fromkeys(metric.tolist())
            },
        )
