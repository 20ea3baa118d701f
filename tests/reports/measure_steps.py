"""Time and memory of the steps of a report, by the number of units; for docs/benchmarks.md.

    python -m tests.reports.measure_steps FOLDER 100000

makes the synthetic store of `tests.reports.measure` in FOLDER, unless it is there, with a filmstrip
for each video, and builds its report in a process of its own, and again after one video got other
scores.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.reports.measure import link, stores_asked_for


def build(store: Path, report: Path) -> None:
    """Build a report and print CPU seconds and the peak memory so far of each step."""
    from reports.site.build import ReportOptions, build_report

    shown, since = "", time.process_time()

    def advance(step: str, count: int, total: int) -> None:
        nonlocal shown, since
        if step != shown:
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            if shown:
                print(
                    f"{shown}: {time.process_time() - since:.1f} s, {peak_mib:.0f} MiB", flush=True
                )
            shown, since = step, time.process_time()

    start = time.process_time()
    build_report(store, report, ReportOptions(), advance)
    advance("", 0, 0)
    print(f"all: {time.process_time() - start:.1f} s", flush=True)


def link_strips(report: Path, num_videos: int) -> None:
    """Give every video the same filmstrip: making one takes 10 ms."""
    from reports.site.filmstrips import write_strip

    strip = report.parent / "strip.jpg"
    write_strip(report.parents[1] / "template.mp4", strip)
    (report / "strips").mkdir(parents=True)
    for number in range(num_videos):
        link(strip, report / "strips" / f"{number:020x}.jpg", number)


def change_one(store: Path) -> None:
    """Let a video have other scores."""
    path = next((store / "metrics" / "offline").iterdir())
    content = json.loads(path.read_text())
    content["metrics"]["metric_0"]["durations"]["30"] += 0.001
    path.write_text(json.dumps(content))


def main() -> None:
    """Measure all sizes asked for."""
    for size, store in stores_asked_for():
        report = store / "report"
        shutil.rmtree(report, ignore_errors=True)
        link_strips(report, size)
        code = (
            "import sys; from pathlib import Path; from tests.reports.measure_steps import build; "
        )
        call = [sys.executable, "-c", f"{code}build(*map(Path, sys.argv[1:]))", store, report]
        print(f"{size} units", flush=True)
        subprocess.run(call, check=True)
        print("after one changed video", flush=True)
        change_one(store)
        subprocess.run(call, check=True)


if __name__ == "__main__":
    main()
