"""A report makes again only what changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.core.environment import package_versions
from harness.core.errors import ConfigError, LongtakeError
from harness.core.files import locked_if_free
from harness.store import score_files
from reports.papers.quoted_files import SHIPPED
from reports.site import build, state
from reports.site.build import build_report
from reports.site.state import code_digest, code_files
from reports.tables import drift_tables
from tests.reports.conftest import PAGE_ONLY, data_of
from tests.reports.plain_store import Plain, noisy, write_plain_store
from tests.reports.synthetic import write_video
from tests.test_rooms import imported_files

pytestmark = pytest.mark.slow

UNIT = "tiny_short-rag-p1-0"


def contents(out: Path) -> dict[str, bytes]:
    files = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    own = ("state.json", "memory.json", "kept/")  # may be lost or damaged
    return {name: content for name, content in files.items() if not name.startswith(own)}


SMALL = Plain(["sliding_window", "rag", "random"], [f"Prompt {n}." for n in range(7)], noisy)
UNITS = [f"u{m:03d}x{p:04d}" for m in range(3) for p in range(7)]


@pytest.fixture(scope="module")
def plain_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    write_video(folder / "video.mp4", hue=0.5)
    return write_plain_store(folder / "runs" / "sweep", SMALL, folder / "video.mp4")


def lose(store: Path, unit: str) -> None:
    """Take the record and the scores of a unit away."""
    (store / "units" / unit / "record.json").unlink(missing_ok=True)
    (store / "metrics" / "plain" / f"{unit}.json").unlink(missing_ok=True)


def fail(store: Path, unit: str) -> None:
    """Let a unit fail."""
    lose(store, unit)
    failure = {"error": "RuntimeError: lost", "traceback": "", "time": "t"}
    (store / "units" / unit / "failure.json").write_text(json.dumps(failure))


def rescore(store: Path, unit: str) -> None:
    """Give a unit other numbers, and some of them no number, where it has any."""
    path = store / "metrics" / "plain" / f"{unit}.json"
    if path.is_file():
        content = json.loads(path.read_text())
        for number, metric in enumerate(content["metrics"].values()):
            value = metric["durations"]["6"]
            metric["durations"]["6"] = None if value is None or number == 1 else value + 0.01
            metric["reason"] = "no network" if metric["durations"]["6"] is None else None
            metric["curve"] = metric["curve"] and [one + 0.01 for one in metric["curve"]]
        path.write_text(json.dumps(content))


def restore(store: Path, unit: str) -> None:
    """Make a unit as at first; also what a unit that is new does."""
    lose(store, unit)
    (store / "units" / unit / "failure.json").unlink(missing_ok=True)
    for name in (f"units/{unit}/record.json", f"metrics/plain/{unit}.json"):
        shutil.copy(store.parents[1] / "pristine" / name, store / name)


def forget(store: Path, _: str) -> None:
    """Lose what was computed for the last report."""
    (store / "report" / "memory.json").unlink(missing_ok=True)
    next((store / "report" / "kept").iterdir()).unlink()


def damage(store: Path, unit: str) -> None:
    """Damage it, and half of the kept scores or curves."""
    damaged = [store / "report" / "memory.json", *sorted((store / "report" / "kept").iterdir())]
    for path in damaged[:: 1 + int(unit[-1]) % 2]:
        path.write_bytes(path.read_bytes()[:-40] + b"0" * 40)


CHANGES = st.tuples(
    st.sampled_from([lose, fail, rescore, rescore, restore, restore, forget, damage]),
    st.sampled_from(UNITS),
)


@pytest.mark.slow
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],  # a failing example is short as it is, and each try takes long
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(CHANGES, min_size=1, max_size=3), min_size=2, max_size=4))
def test_whatever_changes_a_report_equals_one_made_from_nothing(
    plain_store: Path, tmp_path: Path, rounds: list[list[tuple[Callable, str]]]
) -> None:
    folder = tmp_path / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(plain_store, folder / "pristine", symlinks=True)
    store = Path(shutil.copytree(plain_store, folder / "runs" / "sweep", symlinks=True))
    build_report(store, options=PAGE_ONLY)
    for changes in rounds:
        for change, unit in changes:
            change(store, unit)
        out = build_report(store, options=PAGE_ONLY).index.parent
        made = contents(out)
        out.rename(folder / "before")
        build_report(store, options=PAGE_ONLY)
        assert contents(out) == made
        shutil.rmtree(out)
        (folder / "before").rename(out)


def test_a_video_that_was_deleted_is_no_longer_linked(plain_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(plain_store, tmp_path / "runs" / "sweep", symlinks=True))
    build_report(store, options=PAGE_ONLY)
    (store / "units" / UNITS[0] / "video.mp4").unlink()
    rescore(store, UNITS[1])
    out = build_report(store, options=PAGE_ONLY).index.parent
    made = contents(out)
    shutil.rmtree(out)
    build_report(store, options=PAGE_ONLY)
    assert contents(out) == made


def test_scores_are_read_again_of_the_row_that_changed(
    plain_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(shutil.copytree(plain_store, tmp_path / "runs" / "sweep", symlinks=True))
    build_report(store, options=PAGE_ONLY)
    rescore(store, UNITS[0])
    read = Mock(side_effect=score_files.unit_metrics)
    monkeypatch.setattr(score_files, "unit_metrics", read)
    build_report(store, options=PAGE_ONLY)
    units = {call.args[1].stem for call in read.call_args_list}
    assert {UNITS[0]} <= units <= set(UNITS[:7])


def test_curves_are_averaged_again_of_the_row_that_changed(
    plain_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(shutil.copytree(plain_store, tmp_path / "runs" / "sweep", symlinks=True))
    build_report(store, options=PAGE_ONLY)
    rescore(store, UNITS[0])
    averaged = Mock(side_effect=drift_tables.drift_points)
    monkeypatch.setattr(drift_tables, "drift_points", averaged)
    build_report(store, options=PAGE_ONLY)
    assert averaged.call_count == 1


def test_scores_that_could_not_be_read_once_are_read_later(
    plain_store: Path, tmp_path: Path
) -> None:
    """A file on a disk that fails comes back with the time and size that it had; another stays."""
    store = Path(shutil.copytree(plain_store, tmp_path / "runs" / "sweep", symlinks=True))
    path, other = (store / "metrics" / "plain" / f"{unit}.json" for unit in UNITS[:2])
    good, stat = path.read_bytes(), path.stat()
    for one in (path, other):
        one.write_bytes(b"0" * len(good))
        os.utime(one, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    build_report(store, options=PAGE_ONLY)
    path.write_bytes(good)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    rescore(store, UNITS[-1])
    made = contents(build_report(store, options=PAGE_ONLY).index.parent)
    shutil.rmtree(store / "report")
    index = build_report(store, options=PAGE_ONLY).index
    fresh = contents(index.parent)
    assert [name for name in fresh if fresh[name] != made.get(name)] == []
    assert sum(other.name in text for text in data_of(index, "site")["warnings"]) == 1


def refuse(path: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


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
    monkeypatch.setattr(build, "locked", refuse)  # a colleague may only read the folder
    again = build_report(store, options=PAGE_ONLY)
    assert (again.index, again.counts, again.headline) == (
        *(first.index, first.counts, first.headline),
    )
    assert [table.frame().to_csv() for table in again.comparisons] == [
        table.frame().to_csv() for table in first.comparisons
    ]


def test_a_folder_that_may_not_be_written_to_is_named_with_the_way_on(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_report(store, options=PAGE_ONLY)
    change_score(store)
    with monkeypatch.context() as patch:
        patch.setattr(build, "locked", refuse)
        with pytest.raises(ConfigError, match=r"report may not be written to .*out=FOLDER"):
            build_report(store, options=PAGE_ONLY)
    assert build_report(store, tmp_path / "elsewhere", PAGE_ONLY).index.is_file()


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


def test_a_refused_option_leaves_the_report_finished(store: Path, tmp_path: Path) -> None:
    out = build_report(store, options=PAGE_ONLY).index.parent
    (tmp_path / "wrong.yaml").write_text("title: 1\n")
    before = contents(out), (out / "state.json").read_bytes()
    for wrong in ({"baseline": "rga"}, {"quoted": (tmp_path / "wrong.yaml",)}):
        with pytest.raises(LongtakeError):
            build_report(store, options=replace(PAGE_ONLY, **wrong))  # type: ignore[arg-type]
        assert (contents(out), (out / "state.json").read_bytes()) == before


def test_a_unit_at_work_is_read_each_time(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (store / "units" / UNIT / "record.json").unlink()
    chunk = store / "units" / UNIT / "partial" / "000012.safetensors"
    chunk.parent.mkdir()
    chunk.write_bytes(b"")
    monkeypatch.setattr(build, "_build", made := Mock(side_effect=build._build))
    for number in (1, 2):
        paths = build_report(store, options=PAGE_ONLY)
        assert (made.call_count, paths.counts["running"]) == (number, 1)
        # Pages of finished videos stay, however often the others are looked at.
        written = times(paths.index.parent)
        if number == 1:
            before = written
    assert written == before


def test_a_changed_quoted_file_makes_another_report(store: Path, tmp_path: Path) -> None:
    quoted = tmp_path / "quoted.yaml"
    shutil.copy(SHIPPED["field_2026"], quoted)
    options = replace(PAGE_ONLY, quoted=(quoted,))
    index = build_report(store, options=options).index
    quoted.write_text(quoted.read_text().replace("title: ", "title: New ", 1))
    build_report(store, options=options)
    assert data_of(index, "site")["quoted"][0]["title"].startswith("New ")


def test_changed_code_and_packages_make_another_report(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_report(store, options=PAGE_ONLY)
    monkeypatch.setattr(build, "_build", made := Mock(side_effect=RuntimeError("made again")))
    code_digest.cache_clear()
    versions = package_versions() | {"numpy": "0.1"}
    monkeypatch.setattr(state, "package_versions", lambda: versions)
    with pytest.raises(RuntimeError, match="made again"):
        build_report(store, options=PAGE_ONLY)
    assert made.call_count == 1
    code_digest.cache_clear()


def test_all_code_that_a_report_imports_counts() -> None:
    found: set[Path] = set()
    todo = [Path(build.__file__)]
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += imported_files(path)
    assert not found.difference(code_files())


def test_two_reports_never_write_into_one_folder_at_once(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = []

    def building(*_: object) -> None:
        with locked_if_free(tmp_path / "site" / ".lock") as is_free:
            free.append(is_free)
        raise InterruptedError

    monkeypatch.setattr(build, "_build", building)
    with pytest.raises(InterruptedError):
        build_report(store, tmp_path / "site", PAGE_ONLY)
    assert free == [False]
