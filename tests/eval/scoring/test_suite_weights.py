from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eval.networks.weights import LayoutFile
from eval.scoring.suite import SUITES
from eval.scoring.suite_weights import fetch_or_unpack, suite_files
from eval.vbench_long.layout import ALL_FILES
from harness.core.fetch import FetchError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    for moved in ("VBENCH_CACHE_DIR", "TORCH_HOME", "LONGTAKE_OPEN_CLIP"):
        monkeypatch.delenv(moved, raising=False)
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of this process, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()


def test_the_suite_names_every_file_of_the_layout_once() -> None:
    files = suite_files(["vbench_long", "offline"])
    assert {file.source for file in files} == set(ALL_FILES)
    assert len({file.path for file in files}) == len(ALL_FILES)
    without = {"offline", "street", "street_visitor", "street_cups", "judge", "rewards"}
    assert set(SUITES) == without | {"vbench_long", "vbench_clip", "interactive", "recall"}


def member_of(url: str, name: str) -> LayoutFile:
    return LayoutFile("some/where", f"models/{name}", "MIT", address=f"{url}/all.zip", member=name)


def test_files_of_one_archive_are_unpacked_where_they_belong(
    server: tuple[str, Path], home: Path
) -> None:
    url, folder = server
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("a.pth", b"first")
        archive.writestr("deep/b.pth", b"second")
    for name, content in (("a.pth", b"first"), ("deep/b.pth", b"second")):
        source = member_of(url, name)
        fetch_or_unpack(source, source.path, lambda done, total: None)
        assert (home / ".cache/models" / name).read_bytes() == content
        (folder / "all.zip").unlink(missing_ok=True)  # the second comes from the kept archive


def test_archive_without_the_file_is_reported_and_not_kept(server: tuple[str, Path]) -> None:
    url, folder = server
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("other.pth", b"")
    source = member_of(url, "a.pth")
    for _ in range(2):
        with pytest.raises(FetchError, match=r"is not an archive that contains a\.pth"):
            fetch_or_unpack(source, source.path, lambda done, total: None)
    assert not source.path.exists()
