"""The contract between Python and the script of the page: names declared in one schema."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from playwright.sync_api import Browser

from reports.site import schema
from reports.site.build import build_report
from reports.site.page import SCRIPTS
from tests.reports.conftest import PAGE_ONLY, Opened, data_of, wait_until_drawn

FILES = {
    "site": schema.Site,
    "drift": dict[str, dict[str, list[schema.DriftCurve]]],
    "ends": dict[str, dict[str, list[schema.DriftEnds]]],
    "segments": dict[str, dict[str, list[schema.SegmentLine]]],
    "orders": dict[str, list[schema.OrderTable]],
    "differences": list[schema.StoreDifferences],
    "live": schema.Live,
    "unit": schema.Video,
    "piece": schema.VideoPiece,
}
IN_FOLDERS = {"units": schema.Video, "videos": schema.VideoPiece}
JS = Path(schema.__file__).parents[1] / "templates" / "js"
ROUTES = [
    *("", "?mode=differences", "?sort=Flicker+↓&order=ascending", "compare?t=30", "methods"),
    *("methods?name=random", "videos?d=30", "sources", "differences"),
    *("video?id=tiny_long-rag-p1-0&t=20", "video?id=tiny_long-random-p2-1"),
]
WATCH = """
    const records = new Set(FIELDS.map((fields) => JSON.stringify(fields.sort())));
    window.unknown = [];
    const seen = new WeakMap();
    function watch(value) {
        if (value === null || typeof value !== "object") return value;
        if (seen.has(value)) return seen.get(value);
        const isRecord = records.has(JSON.stringify(Object.keys(value).sort()));
        const watched = new Proxy(value, {
            get(target, name) {
                if (isRecord && typeof name === "string" && !(name in target))
                    window.unknown.push(`${name} of {${Object.keys(target)}}`);
                return Array.isArray(target) && typeof target[name] === "function"
                    ? target[name] : watch(Reflect.get(target, name));
            },
        });
        seen.set(value, watched);
        return watched;
    }
    let app;
    Object.defineProperty(window, "longtake", {
        get: () => app,
        set(real) { app = { put: (name, value) => real.put(name, watch(value)) }; },
    });
"""


def classes_of(hint: Any) -> Iterator[type]:
    """Yield all dataclasses in a type, those of their fields included."""
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        yield hint
        for part in get_type_hints(hint).values():
            yield from classes_of(part)
    for part in get_args(hint):
        yield from classes_of(part)


CLASSES = {cls for hint in FILES.values() for cls in classes_of(hint)}
FIELDS = {field.name for cls in CLASSES for field in dataclasses.fields(cls)}
SOURCES = {name: (JS / f"{name}.js").read_text() for name in SCRIPTS}


def code_of(source: str) -> str:
    """Return JavaScript without comments and plain strings; what templates hold stays."""
    return re.sub(r'"(?:[^"\\]|\\.)*"|(?<!:)//[^\n]*|\.js\b', '""', source)


def read_names(code: str) -> set[str]:
    """Return the names read with a dot; destructured ones are watched in the browser."""
    return set(re.findall(r"(?<![\\.])\.([A-Za-z_]\w*)", code))


def own_names(code: str) -> set[str]:
    """Return the names that the script gives to its own objects: keys, methods and members."""
    names = set(re.findall(r"[{,(]\s*(\w+)\s*:", code)) | set(re.findall(r"^ +(\w+):", code, re.M))
    names |= set(re.findall(r"^ +(?:async |get )?(\w+)\(.*\) \{$", code, re.M))
    names |= set(re.findall(r"(?:this|list|row|entry|tip)\.(\w+) (?:\?\?)?= ", code))
    # Short keys: { name, value }, and members set by Object.assign(this, { ... }).
    for literal in re.findall(r"\{([^{}]*)\}", code):
        names |= set(re.findall(r"(?:^|,)\s*(\w+)\s*(?=,|$)", literal))
    return names


def test_every_data_file_is_as_declared(index: Path) -> None:
    for name, hint in FILES.items():
        if name not in ("unit", "piece"):
            msgspec.convert(data_of(index, name), hint, strict=True)
    for folder, number in (("units", 35), ("videos", 6)):
        paths = list((index.parent / "data" / folder).iterdir())
        assert len(paths) == number
        for path in paths:
            name = f"{folder}/{path.stem}"
            msgspec.convert(data_of(index, name), IN_FOLDERS[folder], strict=True)
    names = {path.stem for path in (index.parent / "data").glob("*.js")}
    assert names == set(FILES) - {"unit", "piece"}


def test_no_object_has_a_field_that_is_not_declared(index: Path) -> None:
    """msgspec accepts unknown fields; what it reads must give the file again."""
    data = index.parent / "data"
    for path in data.rglob("*.js"):
        name = path.relative_to(data).with_suffix("").as_posix()
        content = data_of(index, name)
        hint = FILES[name] if path.parent == data else IN_FOLDERS[path.parent.name]
        read = msgspec.convert(content, hint, strict=True)
        assert msgspec.to_builtins(read) == content, name


def test_columns_of_one_record_have_one_length(index: Path) -> None:
    listed = data_of(index, "videos/0")
    board = data_of(index, "site")["boards"][0]
    assert {len(column) for column in listed["videos"].values()} == {6}
    assert {len(column) for column in listed["scores"].values()} == {6}
    for metric in board["metrics"]:
        assert {len(column) for column in metric["cells"].values()} == {len(board["rows"])}


def test_every_name_that_the_script_reads_exists(index: Path, browser: Browser) -> None:
    """In the schema, in the browser, or among the script's own objects."""
    page = browser.new_page()
    page.goto(index.as_uri())  # some names of the browser exist on a page from a file only
    known = page.evaluate(
        "[...new Set(Object.getOwnPropertyNames(window).flatMap((name) => ["
        "name, ...[window[name], window[name]?.prototype].filter((one) => one instanceof Object)"
        ".flatMap((one) => Object.getOwnPropertyNames(one))]))]"
    )
    page.close()
    own = set().union(*(own_names(code_of(source)) for source in SOURCES.values()))
    # CSS properties have names of the browser too, but no prototype lists them all.
    own |= {"left", "top", "colorScheme", "borderTopColor"}
    own |= {"end_to_end"}  # a stage: the timings are a mapping
    unknown = {
        f"{name}.js: {one}"
        for name, source in SOURCES.items()
        for one in read_names(code_of(source)) - FIELDS - own - set(known)
        if not one.isdecimal()
    }
    assert unknown == set()


def test_every_declared_field_is_read(index: Path) -> None:
    everything = "\n".join(SOURCES.values())
    unread = {name for name in FIELDS if not re.search(rf"\b{name}\b", everything)}
    assert unread == set()


def test_no_list_is_decoded_by_a_number() -> None:
    """An index is 0 of a list of equals; any other number would be a field without a name."""
    for name, source in SOURCES.items():
        pattern = r"\b(?:line|cell|row|versus|unit|video|metric|group)s?\??\.?\[[1-9]"
        assert re.findall(pattern, source) == [], name


def test_nothing_undeclared_is_read_on_any_page(
    index: Path, browser: Browser, open_page: Callable[..., Opened]
) -> None:
    """Every record is watched while all pages are shown: a misspelled field would be noted."""
    fields = [[field.name for field in dataclasses.fields(cls)] for cls in CLASSES]
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(WATCH.replace("FIELDS", str(fields)))
    for route in ROUTES:
        page.goto(f"{index.as_uri()}#/{route}")
        wait_until_drawn(page, route)
        assert page.locator("[role=alert]").count() == 0, route
    page.goto(f"{index.as_uri()}#/")
    page.locator("#leaderboard .cell").first.click()
    page.locator("#dialog tbody tr").first.wait_for()
    found = set(page.evaluate("window.unknown"))
    # Members that the script adds, or that JavaScript asks every object for.
    own = ("cells of", "all of", "separator of", "then of", "toJSON of")
    assert {one for one in found if not one.startswith(own)} == set()
    page.close()


def test_two_stores_too(store: Path, pristine_store: Path, tmp_path: Path) -> None:
    index = build_report([pristine_store, store], tmp_path / "out", PAGE_ONLY).index
    for name in ("site", "differences"):
        msgspec.convert(data_of(index, name), FILES[name], strict=True)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data_of(index, "site") | {"counts": [1, 2, 3, 4]}, schema.Site)
