"""Fetching weights from a local server that breaks connections and sends wrong bytes on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from eval.networks.weights import LayoutFile
from eval.vbench_long.layout import ALL_FILES
from harness.cli import downloads
from harness.core.fetch import FetchError, Unreachable, fetch, part_of
from harness.core.weights_files import WeightsFile, file_sha256, weights_root

CONTENT = bytes(range(256)) * 8192  # 2 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Hub:
    """Behaviour of the server, and the requests it received."""

    url: str = ""
    content: bytes = CONTENT
    breaks_after: int | None = None  # bytes of every answer
    ranges: bool = True
    etag: str | None = None
    token: str | None = None  # that the hub wants
    asked: list[str | None] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.headers.get("Authorization")
            state.tokens.append(sent)
            if "/resolve/" in self.path and state.token and sent != f"Bearer {state.token}":
                self.send_error(401)
            elif "/resolve/" in self.path and "missing" not in self.path:
                self.send_response(302)
                if state.etag:
                    self.send_header("X-Linked-Etag", f'"{state.etag}"')
                self.send_header("Location", "/cdn/blob")
                self.end_headers()
            elif self.path == "/cdn/blob":
                self.send_content()
            else:
                self.send_error(404)

        def send_content(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            if start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.breaks_after])

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", state.url)
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    for name in ("LONGTAKE_WEIGHTS", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield state
    server.shutdown()


KNOWN = WeightsFile("owner/name", "folder/w.pt", "MIT", len(CONTENT), SHA256)
UNKNOWN = WeightsFile("owner/name", "folder/w.pt", "MIT")


def run(source: WeightsFile) -> bool:
    return fetch(source, source.path, lambda done, total: None)


def test_a_file_arrives_verified_and_its_hash_is_remembered(hub: Hub) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(KNOWN, KNOWN.path, lambda *numbers: seen.append(numbers))
    assert KNOWN.path.read_bytes() == CONTENT
    assert not part_of(KNOWN.path).exists()
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert file_sha256(KNOWN.path) == SHA256


def test_an_earlier_download_is_resumed(hub: Hub) -> None:
    part = part_of(KNOWN.path)
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    assert run(KNOWN)
    assert hub.asked == ["bytes=1000-"]
    assert KNOWN.path.read_bytes() == CONTENT


def test_a_complete_part_is_only_verified(hub: Hub) -> None:
    part = part_of(KNOWN.path)
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert run(KNOWN)
    assert hub.asked == []


def test_a_broken_connection_is_resumed(hub: Hub) -> None:
    hub.breaks_after = 700_000
    assert run(KNOWN)
    assert hub.asked == [None, "bytes=700000-", "bytes=1400000-"]
    assert KNOWN.path.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_without_progress_is_abandoned_and_its_part_kept(hub, ranges: bool) -> None:
    hub.breaks_after, hub.ranges = (0 if ranges else 700_000), ranges
    with pytest.raises(FetchError, match="the connection broke after"):
        run(KNOWN)
    assert part_of(KNOWN.path).exists() is not ranges, "what arrived is kept"
    assert not KNOWN.path.exists()


def test_a_server_without_ranges_starts_over(hub: Hub) -> None:
    hub.ranges = False
    part = part_of(KNOWN.path)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    assert run(KNOWN)
    assert KNOWN.path.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_another_one(hub: Hub) -> None:
    part = part_of(UNKNOWN.path)
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    hub.etag = SHA256
    assert run(UNKNOWN)
    assert UNKNOWN.path.read_bytes() == CONTENT


def test_wrong_bytes_never_replace_the_file(hub: Hub) -> None:
    hub.content = CONTENT[:-1] + b"!"
    with pytest.raises(FetchError, match=f"expected {SHA256}; removed"):
        run(KNOWN)
    hub.content = CONTENT + b"!"
    with pytest.raises(FetchError, match=f"has {len(CONTENT) + 1} bytes, expected {len(CONTENT)}"):
        run(KNOWN)
    assert not list(KNOWN.path.parent.iterdir())


def test_the_hash_that_the_hub_reports_is_compared(hub: Hub) -> None:
    assert not run(UNKNOWN), "without any hash the file is taken, and said to be unverified"
    UNKNOWN.path.unlink()
    hub.etag = SHA256
    assert run(UNKNOWN)
    UNKNOWN.path.unlink()
    hub.etag = "0" * 64
    with pytest.raises(FetchError, match="expected 0000"):
        run(UNKNOWN)


def test_a_file_that_is_not_there_is_named(hub: Hub) -> None:
    with pytest.raises(FetchError, match=r"w\.pt: 404 Not Found"):
        run(WeightsFile("owner/missing", "w.pt", "MIT"))


def test_a_file_behind_a_licence_is_fetched_with_the_users_token(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(FetchError, match=r"401.*accept the licence at .*/owner/name and set HF_TO"):
        run(KNOWN)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert run(KNOWN)
    assert hub.tokens == [None, "Bearer hf_secret", None], "storage never sees the token"


def test_other_servers_never_see_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    source = LayoutFile("", "vbench/w.pt", "MIT", address=f"{hub.url}/cdn/blob")
    fetch(source, elsewhere := weights_root() / "w.pt", lambda done, total: None)
    assert elsewhere.read_bytes() == CONTENT
    assert hub.tokens == [None]


class Source:
    """A backbone of two files."""

    def files(self) -> list:
        from backbones.engine.backbone import LocatedFile

        small = WeightsFile("owner/name", "small.json", "MIT", len(CONTENT))
        return [LocatedFile("vae", file.path, file) for file in (KNOWN, small)]


@pytest.fixture
def two_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "build_backbone", lambda *_: Source())


def test_the_command_fetches_what_is_missing_once(cli, hub: Hub, two_files) -> None:
    dry = cli("fetch-weights", "backbone=self_forcing,longlive", "--dry-run")
    assert dry.code == 0
    assert dry.out.count("missing") == 2
    assert not KNOWN.path.exists()
    first = cli("fetch-weights", "backbone=self_forcing,longlive")
    assert first.code == 0, first
    assert "(verified)" in first.out
    assert "its sha256 is not known" in first.out
    assert len(hub.asked) == 2
    again = cli("fetch-weights", "backbone=longlive")
    assert again.code == 0
    assert again.out.count("found") == 2
    assert len(hub.asked) == 2


@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT[:-1]], ids=["bytes", "size"])
def test_a_wrong_file_of_the_user_is_reported_and_not_changed(cli, hub, two_files, content) -> None:
    KNOWN.path.parent.mkdir(parents=True)
    KNOWN.path.write_bytes(content)
    result = cli("fetch-weights", "backbone=longlive")
    assert result.code == 1
    assert "is not the published file" in result.out
    assert KNOWN.path.read_bytes() == content


def test_offline_every_file_is_named_with_its_address_and_place(cli, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # no server on this port
    monkeypatch.setenv("LONGTAKE_WEIGHTS", str(tmp_path / "w"))
    result = cli("fetch-weights", "backbone=longlive")
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    for name in ("models/longlive_base.pt", "models/lora.pt", "Wan2.1_VAE.pth", "tokenizer.json"):
        assert f"/{name}\n  at  {tmp_path}/w/" in result.out
    assert result.out.count("put http://127.0.0.1:9/") == 8
    assert result.out.count("not tried") == 7, "one refusal is enough to know"
    assert cli("fetch-weights", "backbone=longlive", "--dry-run").out.count("missing") == 8


def test_an_unreachable_server_does_not_stop_downloads_from_others(cli, monkeypatch) -> None:
    asked: list[str] = []

    def fetch(source, path, on_bytes) -> bool:
        asked.append(source.url)
        raise (Unreachable if "huggingface" in source.url else FetchError)("no")

    monkeypatch.setattr(downloads, "fetch_or_unpack", fetch)
    assert cli("fetch-weights", "suite=vbench_long").code == 1
    servers = [urlsplit(url).netloc for url in asked]
    assert servers.count("huggingface.co") == 1
    assert servers.count("openaipublic.azureedge.net") == 2 and "github.com" in servers


def test_too_little_disk_space_is_reported_before_anything_is_fetched(
    cli, hub, two_files, monkeypatch
) -> None:
    usage = type("Usage", (), {"free": 10**6})
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage)
    result = cli("fetch-weights", "backbone=longlive")
    assert result.code == 2
    assert "4.19 MB to fetch" in result.err
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name the weights to fetch: backbone=NAME"),
        (["backbone=longlife"], "Did you mean 'longlive'?"),
        (["bakbone=longlive"], "Did you mean 'backbone'?"),
    ],
)
def test_a_mistake_is_one_clear_line(cli, arguments: list[str], message: str) -> None:
    result = cli("fetch-weights", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


def test_command_lists_the_files_without_a_network(cli) -> None:
    result = cli("fetch-weights", "suite=vbench_long", "--dry-run")
    assert result.code == 0
    for file in ALL_FILES:
        assert file.file.rpartition("/")[2] in result.out
    wrong = cli("fetch-weights", "suite=vbench")
    assert wrong.code == 2 and "Did you mean 'vbench_long'" in wrong.err
