"""A report makes again only what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.site import build
from reports.site.build import build_report
from tests.reports.conftest import PAGE_ONLY

UNIT = "tiny_short-rag-p1-0"


def contents(out: Path) -> dict[str, bytes]:
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    files.pop("state.json")
    return files


def times(out: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (out / "data" / "units").iterdir()}


def change_score(store: Path) -> None:
    path = store / "metrics" / "offline" / f"{UNIT}.json"
    content = json.loads(path.read_text())
    content["metrics"]["subject"]["durations"]["30"] = 0.5
    path.write_text(json.dumps(content))


def test_nothing_is_made_again_where_nothing_changed(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_report(store, options=PAGE_ONLY)
    monkeypatch.setattr(build, "_build", None)
    again = build_report(store, options=PAGE_ONLY)
    assert (again.index, again.counts, again.headline) == (
        *(first.index, first.counts, first.headline),
    )
    assert [table.frame().to_csv() for table in again.comparisons] == [
        table.frame().to_csv() for table in first.comparisons
    ]


def test_a_changed_unit_is_shown_and_other_pages_stay(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "out"
    build_report(store, out, PAGE_ONLY)
    before = times(out)
    change_score(store)
    build_report(store, out, PAGE_ONLY)
    after = times(out)
    assert [name for name in after if after[name] != before[name]] == [f"{UNIT}.js"]
    updated = contents(out)
    out.rename(tmp_path / "updated")
    build_report(store, out, PAGE_ONLY)
    assert contents(out) == updated


@pytest.mark.parametrize("lost", ["index.html", f"data/units/{UNIT}.js", "data/site.js"])
def test_a_lost_file_is_made_again(store: Path, lost: str) -> None:
    out = build_report(store, options=PAGE_ONLY).index.parent
    before = contents(out)
    (out / lost).unlink()
    build_report(store, options=PAGE_ONLY)
    assert contents(out) == before


def test_other_options_make_another_report(store: Path) -> None:
    out = build_report(store, options=PAGE_ONLY).index.parent
    before = contents(out)
    build_report(store, options=build.ReportOptions(baseline="random", papers=False))
    assert contents(out)["data/site.js"] != before["data/site.js"]


def test_a_unit_at_work_is_read_each_time(store: Path) -> None:
    (store / "units" / UNIT / "record.json").unlink()
    chunk = store / "units" / UNIT / "partial" / "000012.safetensors"
    chunk.parent.mkdir()
    chunk.write_bytes(b"")
    paths = build_report(store, options=PAGE_ONLY)
    assert paths.counts["running"] == 1
    assert not (paths.index.parent / "state.json").exists()
