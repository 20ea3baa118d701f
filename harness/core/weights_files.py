"""Published weights files: source, place on this machine, sha256.

Backbones and metrics declare their files with `WeightsFile`; `fetch-weights` downloads them to
`weights_root()`. Computed hashes are kept below `harness.core.files.cache_root()`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from harness.core.files import cache_root, write_text

# Hashing a smaller file is faster than looking up its stored hash.
CACHED_FROM_BYTES = 2**26
_CHUNK_BYTES = 2**24
_HEAD_BYTES = 1024


@dataclass(frozen=True)
class WeightsFile:
    """A file of a Hugging Face repository.

    Attributes:
        repo: repository, owner/name.
        file: path inside it.
        licence: licence of the file.
        bytes: its size; None if not known.
        sha256: its hash; None if not known.
        revision: commit or branch.
    """

    repo: str
    file: str
    licence: str
    bytes: int | None = None
    sha256: str | None = None
    revision: str = "main"

    on_hub: ClassVar[bool] = True

    @property
    def url(self) -> str:
        """Address it is downloaded from."""
        return f"{hub_address()}/{self.repo}/resolve/{self.revision}/{self.file}"

    @property
    def path(self) -> Path:
        """Place of the file on this machine."""
        return weights_root() / self.repo / self.file


def why_unreadable(path: Path, error: Exception) -> str:
    """Say in one line why a file can't be read as weights: what it is, where that is known.

    Args:
        path: the file.
        error: what the reader raised. PyTorch's own words advise to load the file unsafely.
    """
    if other := _other_file(path):
        return other
    if isinstance(error, pickle.UnpicklingError | EOFError):
        return "it holds no tensors that can be read"
    first_line = str(error).partition("\n")[0].rstrip(". ")
    return f"{type(error).__name__}: {first_line}"


def _other_file(path: Path) -> str | None:
    """Say what a file is that often lies in the place of weights; None for any other."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(_HEAD_BYTES).lstrip()
        if not head:
            return "it is empty; download it again"
        if head.startswith(b"version https://git-lfs"):
            return "it is a pointer of Git LFS; git lfs pull, in its repository, fetches the file"
        if head[:100].lower().startswith((b"<!doctype html", b"<html")):
            return (
                "it is a web page; download the file itself, whose address on the hub has "
                "/resolve/ in place of /blob/"
            )
    return None


def hub_address() -> str:
    """Return the address of the Hugging Face hub, or of the mirror HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def weights_root() -> Path:
    """Return the folder of downloaded weights, laid out as <repository>/<file>.

    LONGTAKE_WEIGHTS moves it.
    """
    return Path(os.environ.get("LONGTAKE_WEIGHTS") or cache_root() / "weights")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file; for large files cached until size or time changes."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


def remember_sha256(path: Path, digest: str) -> None:
    """Store a known hash, so that `file_sha256` need not read the file."""
    stat = path.stat()
    note = _note(path.resolve(), stat.st_size, stat.st_mtime_ns)
    with contextlib.suppress(OSError):  # without a writable cache the hash is computed every time
        write_text(note, digest)


@lru_cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    if size < CACHED_FROM_BYTES:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):
        noted = _note(path, size, mtime_ns).read_text()
        if re.fullmatch("[0-9a-f]{64}", noted):
            return noted
    digest = _hash_with_progress(path, size)
    remember_sha256(path, digest)
    return digest


def _note(path: Path, size: int, mtime_ns: int) -> Path:
    key = hashlib.sha256(f"{path}\n{size}\n{mtime_ns}".encode()).hexdigest()
    return cache_root() / "sha256" / f"{key[:32]}.txt"


def _hash_with_progress(path: Path, size: int) -> str:
    """Hash a large file, with a progress bar: a released checkpoint takes several seconds."""
    from rich.console import Console
    from rich.progress import Progress

    console, digest = Console(stderr=True), hashlib.sha256()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"sha256 of {path.name}, once", total=size)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                bar.advance(task, len(chunk))
    return digest.hexdigest()
