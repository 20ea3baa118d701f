"""Reports for others name no folder of the machine, and keep no file that is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.typed_files import with_digest, without_digest
from reports.site.assets import Assets
from reports.site.build import ReportOptions, build_report
from reports.site.published import hide_folders
from tests.reports.conftest import data_of

COPY = ReportOptions(assets=Assets.copy, papers=False)
UNIT = "tiny_short-rag-p0-0"
hide = hide_folders(["/home/john doe", "/home/john doe/lab", "/data/bob", "/", "/work", ""])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no file '/home/bob/w/x.bin'", "no file '…/x.bin'"),
        ("error:/home/bob/x/y.mp4", "error:…/y.mp4"),
        ("host:/data/ann/x", "host:…/x"),
        ("file:///home/bob/x and file://server/share/y", "…/x and …/y"),
        ("file:/home/bob/x", "file:…/x"),
        ("//server/share/x", "…/x"),
        ("PATH=/a/b:/home/bob/lib/x", "PATH=…/b:…/x"),
        ("/home/john doe/lab/x.mp4, /home/john doe/y", "…/x.mp4, …/y"),
        ("-I/data/bob/include/x file:///home/john doe/z", "-I…/x …/z"),
        (r'{"traceback": "in\n/home/ann/x/y.py\t/a/b"}', r'{"traceback": "in\n…/y.py\t…/b"}'),
        ("/mnt/data/bob/x /data/bobby/x", "…/x …/x"),
    ],
)
def test_only_the_last_name_of_an_absolute_path_is_shown(text: str, shown: str) -> None:
    assert hide(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a/b/c s3://bucket/a/b",
        "prompts/set/p0 ./runs/a/b ../a/b ~/a/b a/work/b",
        "4 / 5, 1/2, and/or, /alone",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert hide(text) == text


@pytest.mark.slow
def test_copies_of_what_is_gone_are_removed(store: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "site", "tiny_short-sliding_window-p0-0"
    foreign = out / "files" / "mine" / "x.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("{}")
    index = build_report(store, out, COPY).index
    assert (out / "files" / UNIT / "offline.json").is_file()
    (store / "metrics" / "offline" / f"{UNIT}.json").unlink()
    (store / "units" / UNIT / "trace.jsonl").unlink()
    lines = (store / "units.jsonl").read_text().splitlines(keepends=True)
    (store / "units.jsonl").write_text("".join(line for line in lines if other not in line))
    build_report(store, out, COPY)
    assert [link["name"] for link in data_of(index, f"units/{UNIT}")["files"]] == [
        *("video", "record.json")
    ]
    assert [path.name for path in (out / "files" / UNIT).iterdir()] == ["record.json"]
    assert not (out / "files" / other).exists()
    build_report(store, out, ReportOptions(assets=Assets.none, papers=False))
    left = [path for name in ("files", "videos", "strips") for path in (out / name).rglob("*.*")]
    assert left == [foreign]


@pytest.mark.slow
def test_a_damaged_file_is_left_out_with_a_warning_and_copies_can_be_read(
    store: Path, tmp_path: Path
) -> None:
    (store / "units" / UNIT / "trace.jsonl").write_bytes(b"\xff")
    record = store / "units" / UNIT / "record.json"
    content = json.loads(record.read_text())
    content["identity"]["backbone"]["weights"] = f"{tmp_path}/w/x.bin"
    record.write_text(with_digest(json.dumps(content, indent=1)))
    index = build_report(store, tmp_path / "site", COPY).index
    warnings = [text for text in data_of(index, "site")["warnings"] if "cannot be copied" in text]
    assert len(warnings) == 1 and warnings[0].startswith(f"units/{UNIT}/trace.jsonl: ")
    copies = tmp_path / "site" / "files" / UNIT
    assert sorted(path.name for path in copies.iterdir()) == ["offline.json", "record.json"]
    copied = without_digest((copies / "record.json").read_bytes(), "the copy")
    assert json.loads(copied)["identity"]["backbone"]["weights"] == "…/x.bin"
