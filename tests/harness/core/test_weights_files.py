from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from harness.core import weights_files
from harness.core.files import cache_root
from harness.core.weights_files import WeightsFile, file_sha256, remember_sha256, weights_root


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in ("LONGTAKE_WEIGHTS", "LONGTAKE_CACHE", "XDG_CACHE_HOME", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_the_environment_sets_the_folders_of_weights_and_cache(environment, tmp_path: Path) -> None:
    assert weights_root() == tmp_path / ".cache/longtake/weights"
    environment.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_root() == Path("/xdg/longtake")
    environment.setenv("LONGTAKE_CACHE", "/cache")
    assert weights_root() == Path("/cache/weights")
    environment.setenv("LONGTAKE_WEIGHTS", "/weights")
    file = WeightsFile("owner/name", "folder/w.pt", "MIT", revision="abc")
    assert file.path == Path("/weights/owner/name/folder/w.pt")
    assert file.url == "https://huggingface.co/owner/name/resolve/abc/folder/w.pt"
    environment.setenv("HF_ENDPOINT", "http://mirror/")
    assert file.url == "http://mirror/owner/name/resolve/abc/folder/w.pt"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def large(environment, tmp_path: Path) -> Path:
    """A file that counts as large."""
    environment.setattr(weights_files, "CACHED_FROM_BYTES", 1)
    weights_files._sha256.cache_clear()
    path = tmp_path / "w.pt"
    path.write_bytes(b"weights")
    return path


def fresh_process() -> None:
    weights_files._sha256.cache_clear()


def test_a_large_file_is_hashed_once_for_all_processes(large: Path, environment) -> None:
    assert file_sha256(large) == sha256(b"weights")
    fresh_process()
    environment.setattr(weights_files, "_hash_with_progress", None)  # would fail if called
    assert file_sha256(large) == sha256(b"weights")
    link = large.with_name("link.pt")
    link.symlink_to(large)
    fresh_process()
    assert file_sha256(link) == sha256(b"weights")


def test_a_touched_file_is_hashed_again(large: Path) -> None:
    file_sha256(large)
    stat = large.stat()
    large.write_bytes(b"changed")
    os.utime(large, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert file_sha256(large) == sha256(b"changed")


def test_a_damaged_hash_file_is_ignored(large: Path) -> None:
    file_sha256(large)
    (note,) = (cache_root() / "sha256").iterdir()
    note.write_text("half")
    fresh_process()
    assert file_sha256(large) == sha256(b"weights")


def test_an_unwritable_cache_only_costs_time(large: Path, environment) -> None:
    environment.setenv("LONGTAKE_CACHE", "/proc/nowhere")
    assert file_sha256(large) == sha256(b"weights")


def test_a_hash_from_a_download_is_used(large: Path) -> None:
    remember_sha256(large, "ab" * 32)
    assert file_sha256(large) == "ab" * 32
