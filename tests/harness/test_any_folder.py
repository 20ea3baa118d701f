"""Longtake runs in folders that contain packages or folders with the names of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.own_packages import OWN_PACKAGES, ROOT
from tests.harness.support import FOREIGN, add_foreign, sweep, video_hashes

STRATEGY = """
from dataclasses import dataclass
from methods.retrieval import Retrieval, Selection

@dataclass
class Strided(Retrieval):
    "Every other candidate."

    def select(self, candidates, first_frame):
        return Selection(tuple(candidates[::2][-self.memory_latents:]), None)
"""


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "harness"],
        [sys.executable, "-P", "-c", "import sys, harness.__main__ as m; sys.exit(m.main())"],
    ],
    ids=["module", "script"],
)
@pytest.mark.parametrize("kind", FOREIGN)
def test_commands_find_our_packages(tmp_path: Path, command: list[str], kind: str) -> None:
    for name in OWN_PACKAGES:
        add_foreign(tmp_path, name, kind)
    listed = run([*command, "list", "methods", "metrics", "backbones"], tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "native" in listed.stdout and "not installed" not in listed.stdout


@pytest.mark.slow
def test_a_sweep_in_worker_processes_and_its_report(tmp_path: Path) -> None:
    for name, kind in zip(OWN_PACKAGES, (*FOREIGN, "package"), strict=True):
        add_foreign(tmp_path, name, kind)
    (tmp_path / "newest.py").write_text(STRATEGY)
    settings = ["executor=processes", "workers=2", "suite=sharpness_retention"]
    arguments = sweep("method=rag,newest:Strided", *settings)
    made = run([sys.executable, "-m", "harness", *arguments], tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    assert len(video_hashes(tmp_path / "runs" / "main")) == 2
    report = run([sys.executable, "-m", "harness", "report", "sweep=runs/main"], tmp_path)
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize("kind", ["package", "module"])
def test_a_foreign_module_that_is_already_imported_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("eval.py" if kind == "module" else "eval/__init__.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    ended = run([sys.executable, "-c", "import eval, harness"], tmp_path)
    assert ended.returncode == 1
    found = tmp_path / ("eval.py" if kind == "module" else "eval")
    assert f"A module 'eval' from {found} is already imported" in ended.stderr
    assert "Import harness before it" in ended.stderr


@pytest.mark.slow
def test_our_packages_may_be_imported_before_harness(tmp_path: Path) -> None:
    code = "import methods.rag, eval.metric, harness; harness.__version__"
    ended = run([sys.executable, "-P", "-c", code], tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_an_incomplete_installation_is_named(tmp_path: Path) -> None:
    (tmp_path / "harness").symlink_to(ROOT / "harness")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import harness.core, methods"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert f"Longtake in {tmp_path} lacks its package 'methods'" in ended.stderr
