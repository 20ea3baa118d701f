"""The reason of a failure is kept per item: a video, and its scores by suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.run import worker
from harness.store.shards import Evaluation
from tests.harness.support import FAST

pytestmark = pytest.mark.slow

STORE = Path("runs/main")


def test_scores_of_one_suite_leave_the_failures_of_others(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, broken = worker._score, ["flicker_stability"]

    def trip(task: Evaluation, *rest: object) -> None:
        if task.suite in broken:
            raise RuntimeError(f"no {task.suite} today")
        score(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "_score", trip)
    others = [argument for argument in FAST if not argument.startswith("suite")]
    command = ("sweep", "--no-report", *others, "suite=flicker_stability,sharpness_retention")
    result = cli(*command)
    assert result.code == 1
    (path,) = STORE.glob("units/*/failure*.json")
    assert path.name == "failure.flicker_stability.json"
    assert "no flicker_stability today" in json.loads(path.read_text())["error"]
    assert path.name in result.out
    broken.clear()
    assert cli(*command).code == 0
    assert not list(STORE.glob("units/*/failure*.json"))
