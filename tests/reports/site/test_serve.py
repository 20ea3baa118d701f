from __future__ import annotations

import http.client
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.core.errors import LongtakeError
from reports.site.build import build_report
from reports.site.serve import ReportServer
from tests.reports.conftest import PAGE_ONLY

VIDEO = "/units/tiny_short-rag-p0-0/video.mp4"


@pytest.fixture(scope="module")
def store(pristine_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run store that all tests of this file share: they add files beside it, and change none."""
    return Path(shutil.copytree(pristine_store, tmp_path_factory.mktemp("served") / "demo"))


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ReportServer]:
    index = build_report(store, options=PAGE_ONLY).index
    with ReportServer(index, [store], port=0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: ReportServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, body


def test_root_leads_to_the_page(server: ReportServer) -> None:
    status, headers, _ = ask(server, "/")
    assert (status, headers["location"]) == (302, "/report/index.html")
    status, headers, body = ask(server, "/report/index.html")
    assert status == 200 and b"Longtake" in body
    assert headers["content-type"].startswith("text/html")
    assert server.address.startswith("http://127.0.0.1:")


def test_ranges_are_answered_as_players_ask(server: ReportServer, store: Path) -> None:
    whole = (store / VIDEO.lstrip("/")).read_bytes()
    size = len(whole)
    for asked, first, end in (
        ("bytes=0-", 0, size),
        ("bytes=0-1", 0, 2),
        ("bytes=100-199", 100, 200),
        (f"bytes={size - 10}-{size + 999}", size - 10, size),
        ("bytes=-20", size - 20, size),
    ):
        status, headers, body = ask(server, VIDEO, Range=asked)
        assert (status, body) == (206, whole[first:end]), asked
        assert headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
    status, headers, body = ask(server, VIDEO)
    assert (status, body, headers["accept-ranges"]) == (200, whole, "bytes")
    status, headers, body = ask(server, VIDEO, method="HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", str(size))


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=9-3", "bytes=-", "bytes=-0"])
def test_range_outside_the_file_is_refused(server: ReportServer, asked: str) -> None:
    status, headers, _ = ask(server, VIDEO, Range=asked)
    assert status == 416
    assert headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2"])
def test_range_of_another_form_gives_the_whole(server: ReportServer, asked: str) -> None:
    assert ask(server, VIDEO, Range=asked)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/report/../../outside.txt",
        "/report/%2e%2e/%2e%2e/outside.txt",
        "/units.jsonl",
        "/",
        "/units",
        "/report/nothing",
        "/units/%00",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(server: ReportServer, store: Path, path: str) -> None:
    (store.parent / "outside.txt").write_text("secret")
    status, _, body = ask(server, path)
    assert status in (302, 404)
    assert b"secret" not in body


def test_link_out_of_the_store_is_not_followed(server: ReportServer, store: Path) -> None:
    secret = store.parent / "outside.txt"
    secret.write_text("secret")
    (store / "units" / "link.json").symlink_to(secret)
    assert ask(server, "/units/link.json")[0] == 404
    (store / "units" / "link.json").unlink()


def test_foreign_host_name_is_refused(server: ReportServer) -> None:
    assert ask(server, "/report/index.html", Host="evil.example:80")[0] == 403
    assert ask(server, "/report/index.html", Host="localhost:80")[0] == 200


def test_taken_port_is_a_clear_error(server: ReportServer, store: Path) -> None:
    port = server.server_address[1]
    with pytest.raises(LongtakeError, match=f"Cannot listen on host=127.0.0.1 port={port}"):
        ReportServer(store / "report" / "index.html", [store], port=port)


def test_page_works_over_http(server: ReportServer, browser: Browser) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.address + "#/video?id=tiny_short-rag-p0-0&t=50")
    page.locator("video").wait_for()
    for _ in range(200):
        if page.evaluate("Math.abs(document.querySelector('video').currentTime - 50) < 0.1"):
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the video did not jump to 50 s")
    assert complaints == []
    page.close()
