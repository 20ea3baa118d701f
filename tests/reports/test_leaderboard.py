"""The page as text; what it does in a browser is tested in test_leaderboard_browser.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.errors import LongtakeError
from reports.build import build_report


class Page(HTMLParser):
    """Collects tags with attributes, and the text inside scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, text: str) -> None:
        if self.get_starttag_text() and self.cdata_elem == "script":
            self.scripts[-1] += text


@pytest.fixture(scope="module")
def html(index: Path) -> str:
    return index.read_text()


def test_report_paths_exist(store: Path) -> None:
    paths = build_report(store)
    assert paths.index == store / "report" / "index.html"
    assert all(path.is_file() for path in (paths.index, *paths.tables, *paths.plots))


def test_two_builds_are_identical(
    index: Path, pristine_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def contents(out: Path) -> dict[str, bytes]:
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    again = build_report(pristine_store, tmp_path_factory.mktemp("report")).index
    assert contents(again.parent) == contents(index.parent)
    assert len(contents(again.parent)) > 15


def test_prompt_and_error_text_stay_data(html: str, nasty_prompt: str) -> None:
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not any("onclick" in attributes for _, attributes in page.tags)
    assert "out of &lt;memory&gt;" in html
    assert "window.hacked = 1</script>" not in html
    embedded = json.loads(page.scripts[0])
    assert embedded["prompts"][2]["text"] == nasty_prompt
    assert "<" not in page.scripts[0]


def test_nothing_outside_is_asked_for(html: str, index: Path) -> None:
    assert not re.search(r"""(src|href|srcset|action|poster)\s*=\s*["']?\s*(https?:)?//""", html)
    assert "url(" not in html
    assert "@import" not in html
    for tag, attributes in Page(html).tags:
        for name in ("src", "href", "srcset"):
            address = attributes.get(name) or "#"
            if not address.startswith(("#", "data:")):
                assert (index.parent / unquote(address)).is_file(), (tag, address)


def test_videos_and_records_are_linked_relative_to_the_page(html: str, index: Path) -> None:
    prompts = json.loads(Page(html).scripts[0])["prompts"]
    units = [unit for prompt in prompts for seed in prompt["seeds"] for unit in seed["units"]]
    done = [unit for unit in units if unit["status"] == "done"]
    assert (len(units), len(done)) == (36, 35)
    for unit in done:
        assert (index.parent / unit["video"]).resolve().is_file()
        assert (index.parent / unit["record"]).resolve().is_file()


def test_sweep_below_a_folder_with_odd_characters(store: Path) -> None:
    odd = store.rename(store.with_name("50% #1 'demo'"))
    html = build_report(odd, odd.parent / "out").index.read_text()
    assert "../50%25%20%231%20%27demo%27/units/" in html


def test_head_tells_how_to_reproduce_and_what_is_proxy(html: str) -> None:
    assert "python -m harness sweep method=sliding_window,rag &#39;x=a b&#39;" in html
    assert "0123abc" in html
    assert "they are not VBench scores" in " ".join(html.split())


def test_cells_show_mean_error_and_reason(html: str) -> None:
    text = " ".join(html.split())
    assert "0.8000<small>± 0.0500</small>" in text
    assert 'data-tip="No value: needs weights that are not installed"' in text
    assert 'data-tip="This row has 5 of 6 videos and 3 of 3 prompts."' in text
    assert "Flicker: lower is better. Unit: px. Mean change between" in text


def test_warnings_are_shown(store: Path) -> None:
    unit = "tiny_short-random-p0-0"
    (store / "metrics/offline" / f"{unit}.json").write_text("{")
    html = build_report(store).index.read_text()
    assert "1 warning" in html
    assert f"metrics/offline/{unit}.json: not valid JSON" in html


def test_sweep_without_metrics_still_gives_a_page(store: Path) -> None:
    for path in (store / "metrics/offline").iterdir():
        path.unlink()
    paths = build_report(store)
    assert "No video has been evaluated yet." in paths.index.read_text()
    assert paths.plots == ()


def test_sweep_without_any_record_still_gives_a_page(store: Path) -> None:
    for path in store.glob("units/*/record.json"):
        path.unlink()
    assert "0 of 36 videos finished" in " ".join(build_report(store).index.read_text().split())


def test_unknown_sweep(tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match="Unknown sweep"):
        build_report(tmp_path / "nothing")


def test_importing_the_room_is_light() -> None:
    code = "import sys, reports; sys.exit('pandas' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
