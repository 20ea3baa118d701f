from __future__ import annotations

from pathlib import Path

import pytest

import harness

# One denoising step: 6 s of video are eight blocks, of which the last four retrieve.
QUICK = ("backbone.denoising_step_list=[1000]", "prompts.num=1")
SUITE = "sharpness_retention"


@pytest.fixture(scope="package")
def swept(tmp_path_factory: pytest.TempPathFactory) -> harness.Result:
    """A sweep of two methods; tests only read it."""
    return harness.sweep(
        *QUICK,
        runs=tmp_path_factory.mktemp("runs"),
        method=["sliding_window", "rag"],
        duration=[3, 6],
        suite=[SUITE],
        device="cpu",
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, whose modules can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path
