"""Download of weights files, with resume; a file takes its place only after verification.

One downloader serves the hub and the addresses of the official evaluation code. No library does
both with resume: `pooch` cannot resume, and `hf_hub_download` serves the hub only and reports no
progress in the versions (below 1.0) that VBench's packages need.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError

from harness.core.version import __version__
from harness.core.weights_files import WeightsFile, hub_address, remember_sha256

# Called with the bytes on disk and the total bytes, None if the server doesn't report them.
OnBytes = Callable[[int, int | None], None]
_CHUNK_BYTES = 2**20
_TIMEOUT_S = 60


class FetchError(Exception):
    """A file could not be fetched; the message is one line with the reason."""


class Unreachable(FetchError):
    """The server is unreachable; downloads of its other files would fail too."""


def part_of(path: Path) -> Path:
    """Return the path of the unfinished download of `path`."""
    return path.with_name(f"{path.name}.part")


def fetch(source: WeightsFile, path: Path, on_bytes: OnBytes) -> bool:
    """Download a file to `path`, continuing an earlier download.

    A broken connection is retried as long as every attempt adds bytes.

    Args:
        source: the file to fetch.
        path: its destination.
        on_bytes: reports progress.

    Returns:
        True if its sha256 was known and compared.

    Raises:
        Unreachable: no connection.
        FetchError: no such file, no permission, or not the bytes that were expected.
    """
    part = part_of(path)
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(f"another process is fetching {path.name}") from error
        try:
            hub_sha256 = _download(source, file, on_bytes)
        except FetchError:
            if not file.tell():
                part.unlink()
            raise
        file.flush()
        expected = source.sha256 or hub_sha256
        digest = _check(part, source, expected)
        part.replace(path)
    remember_sha256(path, digest)
    return expected is not None


def _download(source: WeightsFile, file: IO[bytes], on_bytes: OnBytes) -> str | None:
    furthest = file.tell()
    while True:
        try:
            return _go_on(source, file, on_bytes)
        except HTTPError as error:
            raise FetchError(_refusal(source, error)) from error
        except (OSError, HTTPException) as error:
            if file.tell() <= furthest:
                reason = error.reason if isinstance(error, URLError) else error
                kind = Unreachable if isinstance(error, URLError) else FetchError
                raise kind(f"{source.file}: {reason}") from error
            furthest = file.tell()


def _refusal(source: WeightsFile, error: HTTPError) -> str:
    text = f"{source.file}: {error.code} {error.reason}"
    if source.on_hub and error.code in (401, 403):
        text += (
            f"; accept the licence at {hub_address()}/{source.repo} and set HF_TOKEN to your "
            "access token"
        )
    return text


def _go_on(source: WeightsFile, file: IO[bytes], on_bytes: OnBytes) -> str | None:
    """Append the missing bytes; return the sha256 that the hub reports, if it does."""
    start = file.tell()
    if start and start == source.bytes:
        return None
    headers = {"User-Agent": f"longtake/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    redirects = _Redirects()
    opener = urllib.request.build_opener(redirects)
    request = urllib.request.Request(source.url, headers=headers)
    if source.on_hub and (token := _hub_token()):
        # Not forwarded on a redirect, because the hub redirects to storage on other hosts.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        response = opener.open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        if error.code != 416 or not start:
            raise
        _start_over(file)  # our part is longer than the server's file: another version
        return _go_on(source, file, on_bytes)
    with response:
        if response.status != 206 and start:  # it ignored the range and sends the whole file
            _start_over(file)
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else source.bytes
        on_bytes(start, total)
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            on_bytes(file.tell(), total)
        if total is not None and file.tell() < total:
            raise ConnectionError(f"the connection broke after {file.tell()} of {total} bytes")
        return redirects.sha256 or _sha256_tag(response.headers)


def _hub_token() -> str | None:
    """Return the token of HF_TOKEN, or of `hf auth login` where huggingface_hub is installed."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        return os.environ.get("HF_TOKEN")
    return get_token()


def _start_over(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _check(part: Path, source: WeightsFile, expected: str | None) -> str:
    size = part.stat().st_size
    if source.bytes is not None and size != source.bytes:
        part.unlink()
        raise FetchError(f"{source.file} has {size} bytes, expected {source.bytes}; removed")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and digest != expected:
        part.unlink()
        raise FetchError(f"{source.file} has sha256 {digest}, expected {expected}; removed")
    return digest


def _sha256_tag(headers: HTTPMessage) -> str | None:
    """Return the sha256 of a large file, which the hub gives as its entity tag."""
    tag = (headers.get("X-Linked-Etag") or "").strip('"')
    return tag if re.fullmatch("[0-9a-f]{64}", tag) else None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps the sha256 that the hub sends with the first one."""

    sha256: str | None = None

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.sha256 = self.sha256 or _sha256_tag(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
