"""A web server that shows the page of votes and keeps the votes that it sends.

It serves the folder of the page alone, neither its key nor the sweep. Of a person it keeps the
ballot, a random number with votes, and notes no address and no time.
"""

from __future__ import annotations

import re
import threading
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from harness.core.errors import ConfigError, LongtakeError, StoreError
from harness.core.typed_files import from_json, write_typed
from reports.site.serve import ReportHandler, ReportServer
from reports.votes.ballots import Ballot, Key, read_key, refusal
from reports.votes.page import PAGE_FOLDER, page_shown

VOTES_FOLDER = "votes"
"""Folder of the collected ballots in the first sweep."""
_VOTER = re.compile(r"[0-9a-f]{16}")
_LONGEST_BYTES = 1 << 20
_LENGTH = re.compile(r"[0-9]{1,7}")
_COLLECTS = b"window.longtakeCollects = true;\n"


class VoteServer(ReportServer):
    """Serves the page of votes of a sweep, and collects what people send.

    Args:
        folder: the run store.
        host: address to listen on.
        port: 0 takes a free one.

    Attributes:
        votes: folder of the ballots that were accepted.

    Raises:
        ConfigError: no page was made, or it is not that of the key, or the address cannot be used.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
        key = read_key(folder)
        index = folder / PAGE_FOLDER / "index.html"
        if not index.is_file():
            raise ConfigError(f"{index}: no such file; make the page first: vote {folder}")
        if (page := page_shown(index.parent)) != key.page:
            raise ConfigError(
                f"{index.parent} shows build {page!r} of the page, and the key beside it is that "
                f"of build {key.page!r}; make the page again: vote {folder}"
            )
        self._folder = folder
        self.votes = folder / VOTES_FOLDER
        self._lock = threading.Lock()
        super().__init__(index, (), host, port, VoteHandler)

    @property
    def key(self) -> Key:
        """The key of the page that is shown now; it may be made again while it is served."""
        return read_key(self._folder)

    def collect(self, body: bytes) -> str | None:
        """Keep a ballot, and return None, or why it is refused."""
        try:
            ballot = from_json(body, Ballot, "the ballot")
        except StoreError as error:
            return str(error)
        if not _VOTER.fullmatch(ballot.voter):
            return "its voter is not a number that the page draws"
        if not ballot.votes:
            return "it has no votes"
        try:
            key = self.key
        except LongtakeError:  # its text names a folder of this machine
            return "the page is being made again; send them once more in a minute"
        with self._lock:  # of two with one number, one counts
            reason = refusal(ballot, key, {file.stem for file in self.votes.glob("*.json")})
            if reason is None:
                write_typed(self.votes / f"{ballot.voter}.json", ballot)
        return reason


class VoteHandler(ReportHandler):
    """Answers one request to a `VoteServer`."""

    server: VoteServer
    timeout = 30  # seconds, for a voter that announces a ballot and sends none

    def do_GET(self) -> None:
        """Send a file of the page, to which `collect.js` says that votes are collected."""
        if urlsplit(self.path).path == "/collect.js" and not self.refuses_host():
            self.send_text(HTTPStatus.OK, _COLLECTS, "text/javascript; charset=utf-8")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """Take a ballot from the page itself."""
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # what is not read of a body must not be the next request
        if self.refuses_host():
            return
        if urlsplit(self.path).path != "/votes":
            self.send_error(HTTPStatus.NOT_FOUND, "No such address")
        elif urlsplit(self.headers.get("Origin", "")).netloc != self.headers.get("Host"):
            self.send_error(HTTPStatus.FORBIDDEN, "Votes come from the page alone")
        elif not _LENGTH.fullmatch(length) or int(length) > _LONGEST_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too long for a ballot")
        else:
            reason = self.server.collect(self.rfile.read(int(length)))
            status = HTTPStatus.CREATED if reason is None else HTTPStatus.CONFLICT
            self.send_text(status, (reason or "kept").encode(), "text/plain; charset=utf-8")
