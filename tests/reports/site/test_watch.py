from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.site.build import ReportOptions, ReportPaths
from reports.site.inputs import fingerprint, unit_stamps
from reports.site.watch import watch
from tests.reports.conftest import PAGE_ONLY, Opened, data_of

pytestmark = pytest.mark.slow

UNITS = [f"tiny_short-sliding_window-p{p}-0" for p in range(3)]
OPTIONS = ReportOptions()


@pytest.fixture
def running(store: Path) -> Path:
    """A sweep of three units of which none is done yet; what they will be lies in `later`."""
    lines = [json.loads(line) for line in (store / "units.jsonl").read_text().splitlines()]
    kept = "".join(json.dumps(line) + "\n" for line in lines if line["unit_id"] in UNITS)
    (store / "units.jsonl").write_text(kept)
    for name in ("units", "metrics"):
        (store / name).rename(store.parent / f"later_{name}")
    return store


def finish(store: Path, unit: str) -> None:
    shutil.copytree(store.parent / "later_units" / unit, store / "units" / unit)
    target = store / "metrics/offline" / f"{unit}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(store.parent / "later_metrics/offline" / target.name, target)


def state_of(folder: Path) -> str:
    return fingerprint([folder], unit_stamps([folder]))


def test_builds_follow_the_sweep_to_its_end(running: Path) -> None:
    builds: list[tuple[int, bool, bool]] = []

    def show(paths: ReportPaths) -> None:
        site = data_of(paths.index, "site")
        assert data_of(paths.index, "live")["counts"] == site["counts"]
        assert data_of(paths.index, "live")["build"] == site["build"]
        builds.append((paths.counts["done"], site["live"], bool(paths.tables)))

    todo = list(UNITS)

    def stop(seconds: float) -> bool:
        if todo:
            finish(running, todo.pop(0))
        return False

    last = watch([running], None, OPTIONS, show, pytest.fail, stop)
    assert last is not None and last.settled
    # Live builds of 0 to 3 videos without tables, then the last of a page that is not live.
    assert builds == [*((n, True, False) for n in range(4)), (3, False, True)]


def test_an_unchanged_sweep_is_not_built_again(running: Path) -> None:
    builds: list[ReportPaths] = []
    asked = iter([False, False, False, True])
    watch([running], None, OPTIONS, builds.append, pytest.fail, lambda seconds: next(asked))
    assert len(builds) == 2  # the first, and the one of a page that is not live any more


def test_store_that_cannot_be_shown_now_is_tried_again(running: Path) -> None:
    complaints: list[str] = []
    builds: list[ReportPaths] = []
    for unit in UNITS:
        finish(running, unit)
    path = running / "metrics/offline" / f"{UNITS[0]}.json"
    good = path.read_text()
    path.unlink()
    path.write_text(json.dumps(json.loads(good) | {"suite_version": "2"}))
    steps = iter([lambda: None, lambda: (path.unlink(), path.write_text(good))])

    def stop(seconds: float) -> bool:
        next(steps)()
        return False

    assert watch([running], None, PAGE_ONLY, builds.append, complaints.append, stop) is not None
    assert len(complaints) == 1 and "different versions" in complaints[0]
    assert builds[-1].counts["done"] == 3


def test_fingerprint_sees_what_the_report_reads(running: Path) -> None:
    seen = {state_of(running)}
    finish(running, UNITS[0])
    seen.add(state_of(running))
    (running / "units" / UNITS[1]).mkdir()
    (running / "units" / UNITS[1] / "failure.json").write_text("{}")
    seen.add(state_of(running))
    (running / "report").mkdir()
    assert state_of(running) in seen
    assert len(seen) == 3
    assert state_of(running / "nothing") == state_of(running / "nowhere")


def test_open_page_shows_counts_and_takes_the_newest_build(
    running: Path, open_page: Callable[..., Opened]
) -> None:
    finish(running, UNITS[0])
    opened: list[Opened] = []

    def stop(seconds: float) -> bool:
        if not opened:
            page = open_page(running / "report" / "index.html")
            assert "1 done" in page.page.locator("#live").inner_text()
            assert "2 missing" in page.page.locator("#live").inner_text()
            opened.append(page)
            finish(running, UNITS[1])
            (running / "units" / UNITS[2]).mkdir()
            (running / "units" / UNITS[2] / "failure.json").write_text('{"error": "dead"}')
            return False
        return True

    watch([running], None, PAGE_ONLY, lambda paths: None, pytest.fail, stop)
    page = opened[0].page
    page.locator(".tiles", has_text="2 videos").wait_for(timeout=20_000)
    page.locator("#live").wait_for(state="hidden", timeout=20_000)
