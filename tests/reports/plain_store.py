"""Run stores of any size and any labels, with three metrics and one video for all units."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from tests.reports.synthetic import record_file, write_json

INFOS = {
    "sharp": ("Sharpness retained", "higher", "", "Frame quality", True),
    "drift": ("Colour drift", "lower", "px", "Temporal", True),
    "motion": ("Amount of motion", "higher", "px", "Motion", False),
}
CLIPS = [
    {"start_frame": 32 * i, "end_frame": 32 * i + 32, "start_s": 2.0 * i, "end_s": 2.0 * i + 2}
    | {"sha256": "a"}
    for i in range(3)
]


@dataclass(frozen=True)
class Plain:
    """The content of a store.

    Attributes:
        value: by number of the method, number of the prompt and metric; None is null, and a text
            the error of a unit that failed.
    """

    methods: Sequence[str]
    prompts: Sequence[str]
    value: Callable[[int, int, str], float | str | None]
    backbone: str = "tiny"


def noisy(method: int, prompt: int, metric: str) -> float:
    """Numbers in which the second method is above the first."""
    generator = np.random.default_rng([method, prompt, len(metric)])
    hardness = np.random.default_rng([prompt, len(metric)]).normal(0.5, 0.1)
    return float(hardness + 0.1 * (method == 1) + generator.normal(0, 0.02))


def write_plain_store(folder: Path, store: Plain, video: Path) -> Path:
    """Write a store into a new folder; the units share the bytes of one video."""
    rows = [{"backbone": {"label": store.backbone}, "method": {"label": m}} for m in store.methods]
    command = {"time": "2026-01-01T00:00:00Z", "argv": ["python", "-m", "harness", "sweep"]}
    header = {"name": folder.name, "created": "2026-01-01T00:00:00Z", "revision": None}
    header |= {"versions": {}, "commands": [command | {"configs": rows}]}
    folder.mkdir(parents=True)
    (folder / "sweep.yaml").write_text(yaml.safe_dump(header, allow_unicode=True))
    lines = []
    for m, method in enumerate(store.methods):
        for p, prompt in enumerate(store.prompts):
            unit_id = f"u{m:03d}x{p:04d}"
            line = {"unit_id": unit_id, "backbone": store.backbone, "method": method}
            line |= {"prompt_id": f"set/{p:04d}", "prompt": prompt, "evaluation_prompt": prompt}
            lines.append(line | {"seed": 0, "row_id": str(m)})
            values = {name: store.value(m, p, name) for name in INFOS}
            errors = [value for value in values.values() if isinstance(value, str)]
            unit = folder / "units" / unit_id
            if errors:
                write_json(
                    unit / "failure.json", {"error": errors[0], "traceback": "", "time": "t"}
                )
                continue
            record = record_file("tiny_short", "random", "p0", 0) | {"unit_id": unit_id}
            record |= {"num_frames": 96, "duration_s": 6.0}
            record["generation"] |= {"num_latents": 24}
            record["generation"]["timings_s"] |= {"end_to_end": 9.0 + m}
            write_json(unit / "record.json", record)
            (unit / "video.mp4").symlink_to(video)
            (unit / "trace.jsonl").write_text("")
            write_json(folder / "metrics" / "plain" / f"{unit_id}.json", _scores(record, values))
    (folder / "units.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def _scores(record: dict, values: dict[str, float | None]) -> dict:
    metrics = {}
    for name, (title, direction, unit, heading, quality) in INFOS.items():
        value = values[name]
        info = {"name": name, "title": title, "direction": direction, "unit": unit}
        info |= {"description": "Synthetic.", "heading": heading, "kind": "proxy metrics"}
        curve = None if value is None else [value, value - 0.01, value - 0.02]
        metrics[name] = {
            "info": info | {"quality": quality},
            "reason": "no such network" if value is None else None,
            **{"clip_scores": curve, "curve": curve, "durations": {"6": value}},
        }
    return {
        **{"schema": 2, "suite": "plain", "suite_version": "1", "unit_id": record["unit_id"]},
        **{"video_sha256": record["video"]["sha256"], "prompt": "p", "fps": 16, "clips": CLIPS},
        "durations": {"6": {"num_frames": 96, "clips": [0, 1, 2]}},
        **{"metrics": metrics, "not_set_up": [], "timings_s": {}},
    }
