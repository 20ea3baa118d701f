"""A synthetic run store, true to the schema, with numbers that can be checked by hand.

2 backbones x 3 methods x 3 prompts x 2 seeds, evaluated at 30 and 60 s. One unit failed. Metric
"text" is null everywhere, "hits" only exists for methods with memory. "subject" is also given by
age: its number after 6 s, for the prompts p0 and p1, and 0.25 less after 12 s, for p1 alone.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import av
import numpy as np
import yaml

from eval.vbench_long.dataset import DIMENSIONS

BACKBONES = ("tiny_short", "tiny_long")
METHODS = ("sliding_window", "rag layout=aged", "random")
NASTY = '</script><script>window.hacked = 1</script> <b onclick="x">50%</b> & $x_1$ | {a}\\b'
PROMPTS = {"p0": "A red fox walks over snow.", "p1": "Waves at night, a lighthouse.", "p2": NASTY}
SEEDS = (0, 1)
FAILED = ("tiny_long", "random", "p2", 1)

FPS = 16
NUM_LATENTS = 240
NUM_FRAMES = 4 * NUM_LATENTS - 3

# Deviations by prompt and seed: mean 0; sums by prompt 0.1, -0.2, 0.1.
DEVIATION = {
    ("p0", 0): 0.0,
    ("p0", 1): 0.1,
    ("p1", 0): -0.1,
    ("p1", 1): -0.1,
    ("p2", 0): 0.1,
    ("p2", 1): 0.0,
}
SUBJECT = {"sliding_window": 0.8, "rag layout=aged": 0.85, "random": 0.8}
FLICKER = {"sliding_window": 1.0, "rag layout=aged": 3.0, "random": 2.0}

DRIFT = {"slope_per_min": -0.25, "early_half": 0.9, "late_half": 0.7, "late_similarity": None}
INFO_KEYS = ("title", "direction", "unit", "description", "heading")
INFOS = {
    "subject": (
        "Subject consistency",
        "higher",
        "",
        "Similarity of a frame to the first frames.",
        "Other",
    ),
    "flicker": ("Flicker", "lower", "px", "Mean change between neighbouring frames.", "Temporal"),
    "text": ("Text alignment", "higher", "", "Similarity of frames and prompt.", "Prompt"),
    "hits": (
        "Retrieval hits",
        "higher",
        "%",
        "How often memory shows the same scene.",
        "Retrieval",
    ),
}


FACTS = {
    "tiny_long": {
        "trained_latents": 21,
        "weights": "released",
        "official_setting": True,
    },
    "tiny_short": {
        "trained_latents": 7,
        "weights": "embedded",
        "official_setting": False,
    },
}


MACHINE = {
    "host_cpu": "Test CPU",
    "gpu": None,
    "cuda": None,
    "torch": "2",
    "python": "3.11",
    "platform": "Linux",
    "threads": 1,
    "revision": None,
}


def sha256(method: str) -> str:
    """Videos of one method are one file."""
    return f"{METHODS.index(method) + 160:02x}" * 32


def unit_id(backbone: str, method: str, prompt_id: str, seed: int) -> str:
    """A readable id, for example "tiny_short-rag-p0-1"; real ones are hashes."""
    return f"{backbone}-{method.split()[0]}-{prompt_id}-{seed}"


def clips() -> tuple[list[dict], dict]:
    """The union of the clips of both durations by (start, end), and which duration uses which."""
    spans = {
        name: [(start, min(start + 32, frames)) for start in range(0, frames, 32)]
        for name, frames in (("30", 477), ("60", NUM_FRAMES))
    }
    union = sorted({span for of_duration in spans.values() for span in of_duration})
    listed = [
        {
            "start_frame": start,
            "end_frame": end,
            "start_s": start / FPS,
            "end_s": end / FPS,
            "sha256": "0" * 64,
        }
        for start, end in union
    ]
    durations = {
        name: {"num_frames": frames, "clips": [union.index(span) for span in spans[name]]}
        for name, frames in (("30", 477), ("60", NUM_FRAMES))
    }
    return listed, durations


def parts(prompt_id: str, at_30: float) -> dict[str, dict[str, float]]:
    losses = {"p0": {"6": 0.0}, "p1": {"6": 0.0, "12": 0.25}}.get(prompt_id, {})
    return {
        duration: {f"after {age} s": value - loss for age, loss in losses.items()}
        for duration, value in (("30", at_30), ("60", at_30 - 0.125))
    }


def metric_file(backbone: str, method: str, prompt_id: str, seed: int) -> dict:
    listed, durations = clips()
    deviation = DEVIATION[prompt_id, seed]
    at_30 = {
        "subject": SUBJECT[method] + deviation,
        "flicker": FLICKER[method] + deviation,
        "text": None,
        "hits": None if method == "sliding_window" else 40.0 + 10 * deviation,
    }
    reasons = {
        "text": "needs weights that are not installed",
        "hits": "no memory frames" if at_30["hits"] is None else None,
    }
    metrics = {}
    for index, (name, info) in enumerate(INFOS.items()):
        value = at_30[name]
        slope = {"rag layout=aged": 0.001, "random": 0.004}.get(method, 0.006)
        curve = None
        if value is not None:
            curve = [
                value * (1 - slope * i + 0.01 * math.sin(i * 0.7 + index + seed))
                for i in range(len(listed))
            ]
        metrics[name] = {
            "info": {
                "name": name,
                **dict(zip(INFO_KEYS, info, strict=True)),
                "kind": "proxy metrics",
            },
            "reason": reasons.get(name),
            "clip_scores": curve,
            "curve": curve,
            "durations": {"30": value, "60": None if value is None else value - 0.125},
            "parts": parts(prompt_id, value) if name == "subject" else {},
            "drift": {"30": None, "60": curve and DRIFT},
        }
    return {
        "schema": 2,
        "suite": "offline",
        "suite_version": "1",
        "unit_id": unit_id(backbone, method, prompt_id, seed),
        "video_sha256": sha256(method),
        "prompt": PROMPTS[prompt_id],
        "fps": FPS,
        "clips": listed,
        "durations": durations,
        "metrics": metrics,
        "frozen": {"30": {"flag": False, "still_share": 0.25}, "60": None},
        "not_set_up": [],
        "timings_s": {"decode": 0.5},
    }


def record_file(backbone: str, method: str, prompt_id: str, seed: int) -> dict:
    return {
        "schema": 2,
        "unit_id": unit_id(backbone, method, prompt_id, seed),
        "identity": {
            "version": 1,
            "backbone": {"name": "tiny", "weights": backbone},
            "method": {"name": "rag", "label": method},
        },
        "prompt": {
            "set": "test",
            "id": prompt_id,
            "text": PROMPTS[prompt_id],
            "evaluation_text": PROMPTS[prompt_id],
        },
        "seed": seed,
        "num_frames": NUM_FRAMES,
        "duration_s": 60.0,
        "fps": FPS,
        "width": 96,
        "height": 64,
        "video": {"file": "video.mp4", "sha256": sha256(method), "bytes": 1, "mtime_ns": 1},
        "finished": "2026-01-01T00:00:00Z",
        "generation": generation(backbone, method, seed),
    }


def generation(backbone: str, method: str, seed: int) -> dict:
    return {
        "num_latents": NUM_LATENTS,
        "context_budget_latents": 12,
        "facts": {
            "backbone_plugin": "tiny",
            "method_plugin": "rag",
            "licence": "Apache-2.0",
            "long_setting": False,
            "prompt_cut_tokens": 0,
            **FACTS[backbone],
        },
        "timings_s": {
            "end_to_end": 87.0 if method == "sliding_window" else 99.0,
            "denoise": 60.0,
            "clean_pass": 12.0,
            "plan": 0.05,
            "gather": 0.5,
            "text": 0.1,
            "vae_decode": 8.0,
            "video_encode": 2.0,
            "first_block": 1.5,
            "steady_block": 0.75,
        },
        "memory_mib": {"peak_host": 900.0 + seed, "peak_device": None},
        "machine": MACHINE,
        "kernels": {"attention": "flash", "compiled": False},
    }


def trace_lines(method: str) -> list[dict]:
    lines = []
    for block in range(NUM_LATENTS // 3):
        first = 3 * block
        frames, roles, scores = [0], ["sink"], []
        if block >= 4 and method != "sliding_window":
            memory = [(block * block * 7) % (first - 6) + 1, (first // 24) * 9 + 1]
            frames += memory
            roles += ["memory"] * 2
            scores = [0.5 + 0.4 * math.cos(frame) for frame in memory]
        frames += [first - 2, first - 1] if block else []
        roles += ["local", "local"] if block else []
        lines.append(
            {
                "block": block,
                "first_frame": first,
                "frames": frames,
                "positions": list(range(len(frames))),
                "query_positions": [9, 10, 11],
                "roles": roles,
                "scores": scores if method.startswith("rag") else None,
            }
        )
    return lines


def write_video(path: Path, hue: float) -> None:
    """A real h264 video of NUM_FRAMES frames: a bright square that wanders over a gradient."""
    y, x = np.mgrid[0:64, 0:96] / 96
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {
            **{"preset": "ultrafast", "crf": "30", "threads": "1"},
            "x264-params": "keyint=32:scenecut=0",  # key frames as in videos of ours
        }
        for index in range(NUM_FRAMES):
            t = index / NUM_FRAMES
            image = np.stack([x * hue, y + 0.2 * t, 1 - x * hue], axis=-1) * 160
            row, column = int(24 + 20 * math.sin(9 * t)), int(40 + 36 * math.cos(14 * t))
            image[row : row + 16, column : column + 16] = (250, 220, 120)
            frame = av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_store(folder: Path, videos: dict[str, Path]) -> None:
    folder.mkdir(parents=True)
    header = {
        "name": folder.name,
        "created": "2026-01-01T00:00:00Z",
        "revision": "0123abc",
        "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
        "commands": [
            {
                "time": "2026-01-01T00:00:00Z",
                "argv": ["python", "-m", "harness", "sweep", "method=sliding_window,rag", "x=a b"],
                "configs": [
                    {"backbone": {"label": b}, "method": {"label": m}, "suite": ["offline"]}
                    for b in BACKBONES
                    for m in METHODS
                ],
            }
        ],
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(header), encoding="utf-8")
    lines = []
    for backbone in BACKBONES:
        for method in METHODS:
            for prompt_id, prompt in PROMPTS.items():
                for seed in SEEDS:
                    key = (backbone, method, prompt_id, seed)
                    names = ("backbone", "method", "prompt_id", "seed")
                    lines.append(
                        {"unit_id": unit_id(*key), **dict(zip(names, key, strict=True))}
                        | {"prompt": prompt, "evaluation_prompt": prompt}
                        | {"row_id": f"{backbone}-{method}"}
                    )
                    write_unit(folder, key, videos[method])
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "units.jsonl").write_text(text, encoding="utf-8")


def write_unit(folder: Path, key: tuple[str, str, str, int], video: Path) -> None:
    unit = folder / "units" / unit_id(*key)
    unit.mkdir(parents=True)
    if key == FAILED:
        failure = {"error": "RuntimeError: out of <memory>\nmore", "traceback": "...", "time": "t"}
        write_json(unit / "failure.json", failure)
        return
    write_json(unit / "record.json", record_file(*key))
    write_json(folder / "metrics" / "offline" / f"{unit_id(*key)}.json", metric_file(*key))
    trace = "".join(json.dumps(line) + "\n" for line in trace_lines(key[1]))
    (unit / "trace.jsonl").write_text(trace, encoding="utf-8")
    (unit / "video.mp4").hardlink_to(video)


def freeze(store: Path, method: str, *prompt_ids: str) -> None:
    """Let the videos of a method on tiny_short stand still over 30 s."""
    for prompt_id in prompt_ids:
        for seed in SEEDS:
            unit = unit_id("tiny_short", method, prompt_id, seed)
            path = store / "metrics" / "offline" / f"{unit}.json"
            content = json.loads(path.read_text())
            content["frozen"]["30"] = {"flag": True, "still_share": 0.5}
            write_json(path, content)


def add_vbench_suite(store: Path) -> None:
    """The numbers of the metric "subject" as a dimension of the suite vbench_long, others null."""
    for path in (store / "metrics" / "offline").iterdir():
        content = json.loads(path.read_text()) | {"suite": "vbench_long"}
        subject = content["metrics"]["subject"]
        content["metrics"] = {}
        for name in DIMENSIONS:
            known = name == "subject_consistency"
            info = subject["info"] | {"name": name, "kind": "VBench-Long"}
            content["metrics"][name] = subject | {"info": info}
            if not known:
                content["metrics"][name] |= {"clip_scores": None, "curve": None, "drift": {}}
                content["metrics"][name] |= {"reason": "no weights"}
                content["metrics"][name]["durations"] = dict.fromkeys(subject["durations"])
        write_json(store / "metrics" / "vbench_long" / path.name, content)
