"""Time to build and to use a report, by the number of videos; for docs/benchmarks.md.

    python -m tests.reports.measure FOLDER 100 1000 10000

makes synthetic stores of so many videos in FOLDER: 5 backbones, 20 methods, 30 s, ten metrics of 15
clips. It builds each report in its own process, and times sorting and filtering in chromium.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from playwright.sync_api import sync_playwright

from tests.reports.conftest import FLAGS
from tests.reports.synthetic import record_file, trace_lines, write_json, write_video

NUM_BACKBONES, NUM_METHODS, NUM_METRICS, NUM_CLIPS = 5, 20, 10, 15
SHA256 = "a" * 44
MAX_LINKS = 60_000
"""File systems allow a file 65,000 names."""


def write_large_store(folder: Path, num_videos: int, template: Path) -> None:
    """A store of so many done and evaluated videos. All share the bytes of one video file, but each
    has a hash of its own in its record, so that nothing is saved by sharing.
    """
    generator = np.random.default_rng(0)
    per_prompt = NUM_BACKBONES * NUM_METHODS
    clips = [
        {"start_s": 2.0 * i, "end_s": 2.0 * i + 2, "start_frame": 32 * i, "end_frame": 32 * i + 32}
        | {"sha256": SHA256}
        for i in range(NUM_CLIPS)
    ]
    folder.mkdir(parents=True)
    video, trace = folder / "video.mp4", folder / "trace.jsonl"
    shutil.copyfile(template, video)  # other stores have links of their own
    trace_text = "".join(json.dumps(line) + "\n" for line in trace_lines("rag layout=aged")[:40])
    trace.write_text(trace_text)
    lines = []
    for number in range(num_videos):
        prompt, row = divmod(number, per_prompt)
        backbone, method = f"backbone_{row % NUM_BACKBONES}", f"method_{row // NUM_BACKBONES:02d}"
        unit, sha256 = f"{number:020x}", f"{number:020x}{SHA256}"
        text = f"Prompt number {prompt}: a red fox walks over snow while the sun sets behind it."
        label = {"unit_id": unit, "backbone": backbone, "method": method}
        lines.append(
            {**label, "prompt_id": f"set/{prompt:04d}", "prompt": text, "evaluation_prompt": text}
            | {"seed": 0, "row_id": f"{row}"}
        )
        record = record_file("tiny_short", "random", "p0", 0) | {
            "unit_id": unit,
            "identity": {"backbone": {"name": "b"}, "method": {"name": "m", "k": row}},
            **{"num_frames": 477, "duration_s": 30.0},
            "video": {"file": "video.mp4", "sha256": sha256, "bytes": 1, "mtime_ns": 1},
        }
        record["generation"] |= {
            "num_latents": 120,
            "timings_s": {"end_to_end": 60.0 + row, "denoise": 40.0, "vae_decode": 9.0},
        }
        write_json(folder / "units" / unit / "record.json", record)
        link(video, folder / "units" / unit / "video.mp4", number)
        link(trace, folder / "units" / unit / "trace.jsonl", number)
        metrics = {}
        for index in range(NUM_METRICS):
            curve = (0.8 + generator.normal(0, 0.05, NUM_CLIPS)).tolist()
            info = {"name": f"metric_{index}", "title": f"Metric {index}", "direction": "higher"}
            metrics[f"metric_{index}"] = {
                "info": info | {"unit": "", "description": "Synthetic."},
                **{"reason": None, "clip_scores": curve, "curve": curve},
                "durations": {"15": float(np.mean(curve[:8])), "30": float(np.mean(curve))},
            }
        scores = {
            **{"schema": 2, "suite": "offline", "suite_version": "1", "unit_id": unit, "fps": 16},
            **{"video_sha256": sha256, "prompt": text, "clips": clips, "not_set_up": []},
            "durations": {
                "15": {"num_frames": 240, "clips": list(range(8))},
                "30": {"num_frames": 477, "clips": list(range(15))},
            },
            "timings_s": {},
            "metrics": metrics,
        }
        write_json(folder / "metrics" / "offline" / f"{unit}.json", scores)
    (folder / "units.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    header = {"name": folder.name, "created": "2026", "revision": None, "versions": {}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(header | {"commands": []}))


def link(file: Path, name: Path, number: int) -> None:
    """Give a file another name, or a copy of it every `MAX_LINKS` names."""
    source = file.with_stem(f"{file.stem}_{number // MAX_LINKS}")
    if not source.exists():
        shutil.copyfile(file, source)
    name.hardlink_to(source)


def build(folder: Path) -> None:
    """Build, look again, and build after one video got other scores; print the figures as JSON."""
    from reports.site.build import ReportOptions, build_report

    figures = {}
    for name in ("first", "again", "one_changed"):
        if name == "one_changed":
            path = next((folder / "metrics" / "offline").iterdir())
            path.write_text(path.read_text() + "\n")
        wall, user = time.perf_counter(), time.process_time()
        build_report(folder, options=ReportOptions(papers=False))
        figures[name] = [time.perf_counter() - wall, time.process_time() - user]
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


TIMED = """async ([target, action]) => {
    const node = [...document.querySelectorAll(target)].at(-1);
    const times = [];
    for (let i = 0; i < 9; i++) {
        const start = performance.now();
        if (action === "click") node.click();
        else {
            node.value = i % 2 ? "" : "metho 0" + i;
            node.dispatchEvent(new Event("input", { bubbles: true }));
        }
        document.body.offsetHeight;  // layout is part of the answer
        times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[4];
}"""


def interact(index: Path) -> dict[str, float]:
    """Milliseconds, median of nine: until the page is usable, and script and layout per action."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        start = time.perf_counter()
        page.goto(index.as_uri())
        page.locator("#leaderboard tbody tr").first.wait_for()
        figures = {"front_ms": 1000 * (time.perf_counter() - start)}
        head, field = "#leaderboard thead button", "#method-filter"
        figures["board_sort_ms"] = page.evaluate(TIMED, [head, "click"])
        figures["board_filter_ms"] = page.evaluate(TIMED, [field, "type"])
        start = time.perf_counter()
        page.goto(f"{index.as_uri()}#/videos")
        page.locator("table.data tbody tr").first.wait_for()
        figures["videos_ms"] = 1000 * (time.perf_counter() - start)
        figures["videos_sort_ms"] = page.evaluate(TIMED, ["table.data thead button", "click"])
        figures["videos_filter_ms"] = page.evaluate(TIMED, ["#video-filter", "type"])
        browser.close()
    return figures


def stores_asked_for() -> Iterator[tuple[int, Path]]:
    """Yield size and store of each argument after the folder; write those that are missing."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template.mp4"
    if not template.exists():
        write_video(template, hue=0.5)
    for size in map(int, sys.argv[2:]):
        store = folder / f"videos_{size}"
        if not store.exists():
            write_large_store(store, size, template)
        yield size, store


def main() -> None:
    """Measure all sizes asked for."""
    for size, store in stores_asked_for():
        code = "import sys; from tests.reports.measure import build; from pathlib import Path; "
        run = subprocess.run(
            [sys.executable, "-c", code + "build(Path(sys.argv[1]))", str(store)],
            check=True,
            capture_output=True,
            text=True,
        )
        report = store / "report"
        front = [report / "index.html", report / "data" / "site.js", *(report / "assets").iterdir()]
        figures = json.loads(run.stdout) | {
            "front_kb": sum(path.stat().st_size for path in front) / 1000,
            "videos_kb": sum(p.stat().st_size for p in (report / "data" / "videos").iterdir())
            / 1000,
            "one_list_kb": (report / "data" / "videos" / "0.js").stat().st_size / 1000,
            "unit_kb": next((report / "data" / "units").iterdir()).stat().st_size / 1000,
            "strip_kb": next((report / "strips").iterdir()).stat().st_size / 1000,
        }
        print(size, json.dumps(figures | interact(report / "index.html")), flush=True)


if __name__ == "__main__":
    main()
