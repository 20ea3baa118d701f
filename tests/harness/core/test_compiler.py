"""Reasons why compiled kernels cannot be built on a machine, found by building one."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from harness.core import compiler
from harness.core.compiler import compiler_problem
from harness.studies import diagnosis


def test_nothing_is_wrong_here() -> None:
    assert compiler_problem() is None
    assert diagnosis._machine()["compiled kernels"] == "can be built"


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compiler.shutil, "which", lambda _: None)
    assert "neither gcc nor clang is installed" in str(compiler_problem())
    monkeypatch.setenv("CC", "/no/such/compiler")
    assert "/no/such/compiler does not run" in str(compiler_problem())
    monkeypatch.setenv("CC", "/bin/false")
    assert compiler_problem() == "/bin/false fails: status 1"
    assert "kernels.compile=false" in diagnosis._machine()["compiled kernels"]


def test_missing_headers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    assert f"Python.h is missing in {tmp_path}" in str(compiler_problem())
