"""The commit of the checkout, asked of git without writing to its repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.core import environment


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_read_without_writing_to_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "environment.py"
    file.touch()
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(environment, "__file__", str(file))
    assert environment.code_revision.__wrapped__() is None
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    os.utime(file, (1, 1))  # so that git would renew its index
    index = (tmp_path / ".git" / "index").read_bytes()
    assert environment.code_revision.__wrapped__() == commit
    assert (tmp_path / ".git" / "index").read_bytes() == index
    file.write_text("changed")
    assert environment.code_revision.__wrapped__() == f"{commit}+changes"
