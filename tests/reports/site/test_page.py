"""The files of a page; test_browser.py tests it in a browser."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.core.errors import LongtakeError
from reports.site.assets import Assets
from reports.site.build import ReportOptions, ReportPaths, build_report
from tests.reports.conftest import PAGE_ONLY, data_of
from tests.reports.synthetic import NASTY

pytestmark = pytest.mark.slow


class Tags(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def contents(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_report_has_page_tables_and_plots_and_two_builds_are_identical(
    whole_report: ReportPaths,
) -> None:
    paths, store = whole_report, whole_report.index.parents[1]
    assert paths.index == store / "report" / "index.html"
    assert all(path.is_file() for path in (paths.index, *paths.tables, *paths.plots))
    assert {path.suffix for path in paths.tables} == {".csv", ".parquet", ".md", ".tex"}
    first = contents(store / "report")
    build_report(store)
    assert contents(store / "report") == first
    listed = [unquote(link["address"]) for link in data_of(paths.index, "site")["files"]]
    assert all((store / "report" / address).is_file() for address in listed)
    assert len(listed) == len(paths.tables) + len(paths.plots)


def test_policy_forbids_inline_scripts_and_other_addresses(index: Path) -> None:
    html = index.read_text()
    tags = Tags(html).found
    policies = [a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1 and policies[0] is not None
    assert "default-src 'none'" in policies[0]
    assert "unsafe" not in policies[0] and "http" not in policies[0]
    for tag, attributes in tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        if tag == "script":
            assert attributes.get("src")
    assert not re.search(r"https?://|//cdn|@import|url\(", html)


def test_script_builds_no_markup_and_runs_no_text(index: Path) -> None:
    script = (index.parent / "assets" / "app.js").read_text()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in script
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script)


def test_everything_named_on_the_page_is_there(index: Path) -> None:
    for _, attributes in Tags(index.read_text()).found:
        for name in ("src", "href"):
            address = attributes.get(name) or "#"
            if not address.startswith(("#", "data:", "tables/")):
                assert (index.parent / unquote(address)).is_file(), address
    num_done = 0
    for piece in data_of(index, "site")["pieces"]:
        listed = data_of(index, f"videos/{piece['name']}")
        videos = listed["videos"]
        assert len(videos["unit_id"]) == piece["num_videos"] == 6
        for i, status in enumerate(videos["status"]):
            if status != "done":
                continue
            num_done += 1
            video = data_of(index, f"units/{videos['unit_id'][i]}")
            addresses = [video["video"], video["strip"]]
            addresses += [link["address"] for link in video["files"]]
            addresses += [videos["strip"][i], videos["record"][i], listed["scores"]["offline"][i]]
            assert all((index.parent / unquote(address)).is_file() for address in addresses)
    assert num_done == 35


def test_data_keeps_untrusted_text_as_data(index: Path) -> None:
    prompts = data_of(index, "videos/0")["prompts"]
    assert prompts[2] == {"prompt_id": "p2", "text": NASTY, "place": 2}
    assert data_of(index, "units/tiny_short-rag-p2-0")["prompt"] == NASTY
    for path in (index.parent / "data").rglob("*.js"):
        assert path.read_text().isascii()


def test_front_page_data_names_the_sources_of_numbers(index: Path) -> None:
    site = data_of(index, "site")
    (source,) = site["sources"]
    assert source["revision"] == "0123abc"
    assert source["commands"][0]["text"] == (
        "python -m harness sweep method=sliding_window,rag 'x=a b'"
    )
    assert {"backbone": "tiny_long", "method": "random"} in source["commands"][0]["rows"]
    (board,) = site["boards"]
    assert board["kind"] == "proxy metrics"
    assert "not VBench scores" in board["note"]
    rows = {(row["backbone"], row["method"]): row for row in site["rows"]}
    assert rows["tiny_long", "random"]["official_setting"] is True
    assert rows["tiny_short", "random"]["official_setting"] is False
    assert rows["tiny_short", "rag layout=aged"]["rope"] == "relative"
    assert "similar" in rows["tiny_short", "rag layout=aged"]["definition"]


def test_left_out_pairs_are_listed_with_their_reason(index: Path) -> None:
    groups = data_of(index, "site")["boards"][0]["groups"]
    by_place = {(group["backbone"], group["duration_s"]): group for group in groups}
    group = by_place["tiny_long", 30.0]
    assert group["left_out"] == [
        {
            **{"prompt_id": "p2", "seed": 1, "method": "random"},
            "reason": "RuntimeError: out of <memory>",
        }
    ]
    assert group["num_videos"] == 5
    assert by_place["tiny_short", 30.0]["left_out"] == []
    assert by_place["tiny_short", 30.0]["fingerprint"] != group["fingerprint"]


def test_pairs_behind_a_number_belong_to_its_group(store: Path) -> None:
    """One metric file lacks the longer length, so the groups of both lengths differ."""
    path = store / "metrics/offline/tiny_short-random-p0-0.json"
    content = json.loads(path.read_text())
    for metric in content["metrics"].values():
        del metric["durations"]["60"]
    path.write_text(json.dumps(content))
    index = build_report(store, options=PAGE_ONLY).index
    groups = data_of(index, "site")["boards"][0]["groups"]
    counted = data_of(index, "videos/0")["counted"]["offline"]
    assert [(g["duration_s"], g["num_videos"]) for g in groups] == [
        (60, 5),
        (60, 5),
        (30, 6),
        (30, 5),
    ]
    assert {length: sum(flags) for length, flags in counted.items()} == {"30": 6, "60": 5}


def test_sweep_below_a_folder_with_odd_characters(store: Path) -> None:
    odd = store.rename(store.with_name("50% #1 'demo'"))
    index = build_report(odd, odd.parent / "out", PAGE_ONLY).index
    unit = data_of(index, "units/tiny_short-rag-p0-0")
    assert unit["video"].startswith("../50%25%20%231%20%27demo%27/units/")


def test_sweep_without_metrics_or_records_or_units_gives_a_page(store: Path) -> None:
    for path in (store / "metrics/offline").iterdir():
        path.unlink()
    paths = build_report(store)
    assert (data_of(paths.index, "site")["boards"], paths.plots) == ([], ())
    for path in store.glob("units/*/record.json"):
        path.unlink()
    paths = build_report(store)
    assert paths.counts == {"done": 0, "running": 0, "failed": 1, "missing": 35}
    (store / "units.jsonl").write_text("")
    paths = build_report(store)
    assert data_of(paths.index, "site")["showcase"] is None


def test_files_of_an_earlier_report_do_not_stay(store: Path) -> None:
    out = build_report(store, options=PAGE_ONLY).index.parent
    strips = len(list((out / "strips").iterdir()))
    assert strips == 3
    keep = out / "strips" / "my own.jpg"
    keep.write_bytes(b"")
    path = store / "units.jsonl"
    path.write_text(path.read_text().splitlines()[0])
    build_report(store, options=PAGE_ONLY)
    assert [p.name for p in (out / "data" / "units").iterdir()] == [
        "tiny_short-sliding_window-p0-0.js"
    ]
    assert len(list((out / "strips").iterdir())) == 2
    assert keep.is_file()


@pytest.mark.parametrize("mode", [Assets.copy, Assets.none])
def test_copied_or_bare_report_needs_no_store(store: Path, tmp_path: Path, mode: Assets) -> None:
    options = ReportOptions(assets=mode, papers=False)
    index = build_report(store, tmp_path / "site", options).index
    for path in (index.parent / "data" / "units").iterdir():
        unit = data_of(index, f"units/{path.stem}")
        addresses = [link["address"] for link in unit["files"]]
        assert bool(addresses) == (mode is Assets.copy)
        for address in addresses:
            target = (index.parent / unquote(address)).resolve()
            assert target.is_file() and target.is_relative_to(index.parent)
        assert (unit["video"] is None) == (mode is Assets.none)
        assert '"unit_id"' in unit["record"]


def test_a_site_for_others_names_no_folder_and_links_nowhere_else(
    store: Path, tmp_path: Path
) -> None:
    place = str(tmp_path)
    header = store / "sweep.yaml"
    header.write_text(header.read_text().replace("x=a b", f"backbone.weights={place}/w/x.bin"))
    record = store / "units/tiny_short-rag-p0-0/record.json"
    content = json.loads(record.read_text())
    content["identity"]["backbone"]["weights"] = f"{place}/w/x.bin"
    record.write_text(json.dumps(content))
    failure = store / "units/tiny_long-random-p2-1/failure.json"
    failure.write_text(json.dumps({"error": f"OSError: no file '{place}/w/x.bin'"}))
    options = ReportOptions(assets=Assets.copy, papers=False)
    index = build_report(store, tmp_path / "site", options).index
    site = data_of(index, "site")
    assert "…/x.bin" in site["failures"][0]["reason"]
    assert "backbone.weights=…/x.bin" in site["sources"][0]["commands"][0]["text"]
    for path in index.parent.rglob("*"):
        if path.suffix in (".js", ".json", ".jsonl", ".csv", ".md") and path.name != "app.js":
            assert place not in path.read_text(), path
            assert not re.search(r'"(?:\.\./|file:|/)[^"]*"', path.read_text()), path


def test_unknown_sweep(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match="Unknown sweep"):
        build_report(tmp_path / "nothing")


def test_importing_the_room_is_light() -> None:
    code = "import sys, reports; sys.exit('pandas' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
