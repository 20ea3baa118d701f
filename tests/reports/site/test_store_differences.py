from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store.frames import load_sweep
from reports.site import schema
from reports.site.build import build_report
from reports.site.store_differences import store_differences
from tests.reports.conftest import PAGE_ONLY, Opened, data_of


@pytest.fixture
def after(store: Path) -> Path:
    """A later sweep: another torch, one row less, one value and one video changed."""
    folder = Path(shutil.copytree(store, store.parent / "after"))
    header = folder / "sweep.yaml"
    header.write_text(
        header.read_text().replace("2.13.0", "2.14.1").replace("name: demo", "name: after")
    )
    lines = (folder / "units.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ("tiny_long" in line and '"random"' in line)]
    (folder / "units.jsonl").write_text("".join(kept))
    for seed in (0, 1):
        for prompt in ("p0", "p1", "p2"):
            path = folder / f"metrics/offline/tiny_short-random-{prompt}-{seed}.json"
            content = json.loads(path.read_text())
            content["metrics"]["subject"]["durations"]["30"] += 0.125
            path.write_text(json.dumps(content))
    return folder


def test_what_changed_is_listed(store: Path, after: Path) -> None:
    found = store_differences(load_sweep(store), load_sweep(after))
    assert found.settings == [schema.Change("torch", "2.13.0", "2.14.1")]
    assert found.only_before == [schema.RowLabel("tiny_long", "random")]
    assert found.only_after == []
    rows = {(row.backbone, row.method): row for row in found.rows}
    changed = rows["tiny_short", "random"]
    assert (changed.num_shared, changed.num_equal) == (6, 6)
    moved = [m for m in changed.metrics if m.difference]
    assert [(m.title, m.duration_s, m.difference) for m in moved] == [
        ("Subject consistency", 30.0, pytest.approx(0.125))
    ]
    assert moved[0].num_videos == 6
    same = rows["tiny_short", "sliding_window"]
    assert not any(metric.difference for metric in same.metrics)


def test_changed_arguments_and_bytes_are_listed(store: Path, after: Path) -> None:
    for path in after.glob("units/tiny_short-random-*/record.json"):
        record = json.loads(path.read_text())
        record["video"]["sha256"] = "ee" * 32
        record["identity"]["method"]["sink_latents"] = 3
        path.write_text(json.dumps(record))
    found = store_differences(load_sweep(store), load_sweep(after))
    (row,) = [r for r in found.rows if (r.backbone, r.method) == ("tiny_short", "random")]
    assert (row.num_shared, row.num_equal) == (6, 0)
    assert row.arguments == [schema.Change("method.sink_latents", "none", "3")]


def test_page_shows_the_differences(
    store: Path, after: Path, tmp_path: Path, open_page: Callable[..., Opened]
) -> None:
    index = build_report([store, after], tmp_path / "out", PAGE_ONLY).index
    page = open_page(index, "differences").page
    page.locator("h2", has_text="demo → after").wait_for()
    text = page.locator("main").inner_text()
    assert "2.14.1" in text and "random on tiny_long" in text and "+0.125" in text
    assert page.locator("#nav a", has_text="Differences").count() == 1


def test_one_store_has_no_differences(index: Path, open_page: Callable[..., Opened]) -> None:
    assert data_of(index, "differences") == []
    page = open_page(index, "differences").page
    page.get_by_text("This report covers one store").wait_for()
    assert page.locator("#nav a", has_text="Differences").count() == 0
