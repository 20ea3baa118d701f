"""A run store of an experiment with one metric, whose differences can be checked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.reports.synthetic import record_file

AXIS = "Question & answer"


def make_store(
    folder: Path, rows: dict[str, dict[str, float]], durations: tuple[str, ...] = ("3",)
) -> Path:
    """A run store with one metric: its value by row and prompt, the same at all durations."""
    command = {"time": "t", "argv": ["python"], "configs": []}
    header = {"name": folder.name, "created": "t", "revision": "r", "versions": {}}
    header["commands"] = [command]
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(header))
    lines = []
    for row, values in rows.items():
        for prompt, value in values.items():
            unit_id = f"{row}-{prompt}"
            line = {"unit_id": unit_id, "backbone": "tiny", "method": row, "row_id": row}
            lines.append(
                line
                | {"prompt_id": prompt, "prompt": prompt, "evaluation_prompt": prompt, "seed": 0}
            )
            record = record_file("tiny_short", "random", "p0", 0) | {
                "unit_id": unit_id,
                "num_frames": 45,
                "duration_s": 3.0,
                "video": {"file": "video.mp4", "sha256": "a" * 64, "bytes": 1, "mtime_ns": 1},
            }
            record["generation"] |= {"num_latents": 12}
            (folder / "units" / unit_id).mkdir(parents=True)
            (folder / "units" / unit_id / "record.json").write_text(json.dumps(record))
            info = {
                "name": "sky",
                "title": "Sky",
                "direction": "higher",
                "unit": "",
                "description": "",
                "kind": "proxy metrics",
            }
            metric = {"info": info, "reason": None, "clip_scores": [value], "curve": [value]}
            clip = {"start_frame": 0, "end_frame": 32, "start_s": 0.0, "end_s": 2.0, "sha256": "a"}
            scores = {
                "schema": 2,
                "suite": "offline",
                "suite_version": "1",
                "unit_id": unit_id,
                "video_sha256": "a" * 64,
                "prompt": prompt,
                "fps": 16,
                "clips": [clip],
                "durations": {d: {"num_frames": 45, "clips": [0]} for d in durations},
                "metrics": {"sky": metric | {"durations": dict.fromkeys(durations, value)}},
                "not_set_up": [],
                "networks": {},
                "timings_s": {},
            }
            path = folder / "metrics" / "offline" / f"{unit_id}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(scores))
    (folder / "units.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def note_axis(folder: Path, rows: list[str]) -> Path:
    """Make a store an experiment with one axis, the first row its reference."""
    content = {"name": folder.name, "axes": {AXIS: rows}}
    (folder / "experiment.json").write_text(json.dumps(content))
    return folder
