"""Reasons why compiled kernels cannot be built on a machine, found by building one."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import torch

from harness.core import compiler
from harness.core.compiler import compiler_problem, kernel_problem
from harness.studies import diagnosis
from tests.harness.support import sweep


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


def test_layers_are_not_compiled_without_a_compiler(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each unit, before a model is loaded."""
    monkeypatch.setenv("CC", "/no/such/compiler")
    result = cli(*sweep("kernels.compile=true"))
    assert result.code == 1
    text = " ".join(result.out.split())
    assert "Layers cannot be compiled: /no/such/compiler does not run" in text
    assert "set kernels.compile=false" in text
    assert cli(*sweep("kernels.compile=false", "suite=[]")).code == 0


def test_a_kernel_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Cannot find a working triton installation\nMore")

    assert kernel_problem() is None, "without a GPU the compiler alone is tried"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "arange", lambda *_, **__: torch.ones(3))
    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    problem = "a kernel of one sum fails: Cannot find a working triton installation"
    assert kernel_problem() == problem
    assert problem in diagnosis._machine()["compiled kernels"]
    monkeypatch.setattr(torch, "compile", lambda *_, **__: lambda x, y: x)
    assert kernel_problem() == "a kernel of one sum gives a wrong one"
