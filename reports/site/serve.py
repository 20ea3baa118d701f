"""A small web server for a report, with byte ranges, so that videos can be scrubbed.

It serves the folder of the report and the files of the run stores that the page links to. It is
meant for this machine only; to show a report to others, put a copy (assets=copy) on a web server.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from harness.core.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    **dict.fromkeys((".jsonl", ".yaml", ".md", ".tex", ".csv"), "text/plain; charset=utf-8"),
}
_CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class ReportServer(ThreadingHTTPServer):
    """Serves one report.

    Args:
        index: the report's index.html.
        stores: the run stores it links into.
        host: address to listen on.
        port: 0 takes a free one.
        handler: answers requests; by default `ReportHandler`.

    Raises:
        ConfigError: the address cannot be used.
    """

    daemon_threads = True

    def __init__(
        self,
        index: Path,
        stores: Sequence[Path],
        host: str = "127.0.0.1",
        port: int = 8000,
        handler: type[ReportHandler] | None = None,
    ) -> None:
        out = index.parent.resolve()
        stores = [Path(store).resolve() for store in stores]
        self.root = Path(os.path.commonpath([out, *stores]))
        self.allowed = (
            out,
            *(store / name for store in stores for name in ("units", "metrics", "sweep.yaml")),
        )
        self.start = "/" + quote(index.resolve().relative_to(self.root).as_posix())
        self.host = host
        try:
            super().__init__((host, port), handler or ReportHandler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"Cannot listen on host={host} port={port}: {error}.") from error

    @property
    def address(self) -> str:
        """Address of the page to open in a browser."""
        return f"http://{self.host}:{self.server_address[1]}{self.start}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say what went wrong, without the address of the client; not that it left."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()

    def file_of(self, url: str) -> Path | None:
        """Return the file of an address; None if it does not exist or must not be served."""
        path = (self.root / unquote(urlsplit(url).path).lstrip("/")).resolve()
        inside = any(path == place or place in path.parents for place in self.allowed)
        return path if inside and path.is_file() else None


class ReportHandler(BaseHTTPRequestHandler):
    """Answers one request with a file or a part of one."""

    server: ReportServer
    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        """Refuse a request whose addresses cannot be read."""
        if not super().parse_request():
            return False
        try:
            for address in (self.path, self.headers.get("Origin", "")):
                urlsplit(address)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST, "An address cannot be read")
            return False
        return True

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send the headers of a file."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing, because a page requests many files."""

    def refuses_host(self) -> bool:
        """Refuse a request for a host of another name, and return whether it was one."""
        # Otherwise a foreign page could reach this server by a name of its own (DNS rebinding).
        name = self.headers.get("Host", "").rpartition(":")[0].strip("[]") or "localhost"
        refused = self.server.host in LOOPBACK and name not in LOOPBACK
        if refused:
            self.send_error(HTTPStatus.FORBIDDEN, "Unknown host")
        return refused

    def send_text(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        """Send a short answer."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, with_body: bool) -> None:
        if self.refuses_host():
            return
        if urlsplit(self.path).path in ("", "/"):
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", self.server.start)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            path = self.server.file_of(self.path)
            file = path.open("rb") if path else None
        except (OSError, ValueError):
            file = None
        if file is None or path is None:
            self.send_error(HTTPStatus.NOT_FOUND, "No such file")
            return
        with file:
            self._send(file, path.suffix, with_body)

    def _send(self, file: IO[bytes], suffix: str, with_body: bool) -> None:
        size = os.fstat(file.fileno()).st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        span = _span(asked, size) if asked else (0, size)
        if span is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, end = span
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(end - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
        self.end_headers()
        if with_body:
            file.seek(first)
            self._copy(file, end - first)

    def _copy(self, file: IO[bytes], length: int) -> None:
        try:
            while length > 0 and (chunk := file.read(min(length, _CHUNK_BYTES))):
                self.wfile.write(chunk)
                length -= len(chunk)
        except ConnectionError:
            self.close_connection = True  # the browser seeked and closed the connection
        if length > 0:
            self.close_connection = True


def _span(asked: re.Match[str], size: int) -> tuple[int, int] | None:
    """Return first byte and end of a range; None if it lies outside the file."""
    first, last = asked.groups()
    if not first and not last:
        return None
    if not first:  # a suffix: the last N bytes
        return (max(0, size - int(last)), size) if int(last) and size else None
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < end else None
