"""Exit codes and standard error of the real command line, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.own_packages import ROOT
from tests.harness.support import sweep

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "harness")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
FAILING = """
from methods.sliding_window import SlidingWindow

class Failing(SlidingWindow):
    def plan(self, first_frame):
        raise RuntimeError("no plan today")
"""


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT} | options
    return subprocess.run([*COMMAND, *arguments], cwd=folder, text=True, check=False, **given)


def test_0_with_nothing_on_standard_error(tmp_path: Path) -> None:
    ended = run(tmp_path, "list", "methods")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_1_if_a_unit_failed_although_the_others_are_made(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    ended = run(tmp_path, *sweep("method=failing:Failing,sliding_window", "duration=0.75"))
    assert ended.returncode == 1, ended.stderr
    assert "no plan today" in ended.stdout and "2 units, 1 failed" in ended.stdout
    assert len(list(tmp_path.glob("runs/main/units/*/record.json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "method=ragg"], "Did you mean 'rag'?"),
        (["swep"], "Did you mean 'sweep'?"),
        (["report", "sweep=runs/none"], "Unknown sweep 'none': there is none in "),
        (["dev", "replay", "none.safetensors"], "none.safetensors"),
    ],
)
def test_2_for_a_mistake_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
    assert message in ended.stderr and ended.stdout == ""


def test_3_if_there_is_no_cluster(tmp_path: Path) -> None:
    command = sweep("executor=slurm", "executor.slurm.latent_s=1")
    ended = run(tmp_path, *command, env={**ENVIRONMENT, "PATH": str(tmp_path)})
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1


def test_3_if_the_output_goes_to_a_full_disk(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = run(tmp_path, "list", "methods", stdout=full)
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: No space is left on the disk. ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["--help"]])
def test_a_reader_that_leaves_early_ends_it_quietly(tmp_path: Path, command: list[str]) -> None:
    process = subprocess.Popen(
        [*COMMAND, *command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    process.stdout.close()  # before anything is written, as `| true` does
    said = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert said == b""
