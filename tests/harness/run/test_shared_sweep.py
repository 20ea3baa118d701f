"""Two commands on one sweep at once: nothing is made or scored twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from tests.harness.support import FAST, records

pytestmark = pytest.mark.slow


def test_two_commands_at_once_share_the_work(tmp_path: Path) -> None:
    fast = [argument for argument in FAST if not argument.startswith(("suite", "prompts"))]
    command = [sys.executable, "-m", "harness", "sweep", "--no-report", *fast, "prompts.num=3"]
    command += ["suite=sharpness_retention", "executor=inline", "threads=1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])}
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    store = tmp_path / "runs" / "main"
    assert len(records(store)) == 3
    scores = [json.loads(path.read_text()) for path in store.glob("metrics/*/*.json")]
    assert len(scores) == 3
    assert not (store / ".claims").exists()
