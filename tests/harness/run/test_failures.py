"""The reason of a failure is kept per item: a video, and its scores by suite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config.sweep import load_sweep
from harness.run import score as scoring
from harness.store.shards import Evaluation, group_units
from harness.store.units import plan_units
from tests.harness.support import FAST, records, sweep

pytestmark = pytest.mark.slow

STORE = Path("runs/main")


def test_scores_of_one_suite_leave_the_failures_of_others(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, broken = scoring.score_unit, ["flicker_stability"]

    def trip(task: Evaluation, *rest: object) -> None:
        if task.suite in broken:
            raise RuntimeError(f"no {task.suite} today")
        score(task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "score_unit", trip)
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


@pytest.mark.parametrize(
    ("executor", "leave"),
    [("inline", "sys.exit(0)"), ("inline", "_exit(0)"), ("processes", "os._exit(0)")],
)
def test_a_strategy_that_ends_the_process_fails_its_unit_only(
    cli, executor: str, leave: str
) -> None:
    Path("leaving.py").write_text(
        "import os, sys\n"
        "from dataclasses import dataclass\n"
        "from os import _exit\n"
        "from methods.sliding_window import SlidingWindow\n\n"
        "@dataclass\n"
        "class Leaving(SlidingWindow):\n"
        "    def plan(self, first_frame):\n"
        f"        {leave}\n"
    )
    result = cli(*sweep("method=leaving:Leaving,sliding_window", f"executor={executor}"))
    assert result.code == 1
    assert "SystemExit: 0 (leaving.py:9 in plan)" in result.out.replace("\n", "")
    (failure,) = STORE.glob("units/*/failure.json")
    assert "leaving.py" in json.loads(failure.read_text())["traceback"]
    assert len(records(STORE)) == 1


@pytest.mark.parametrize(
    ("at_import", "in_init", "in_reset", "code"),
    [
        ("os._exit(0)", "pass", "pass", 2),
        ("pass", "os._exit(0)", "pass", 2),
        ("pass", "sys.exit(0)", "pass", 2),
        ("pass", "pass", "sys.exit(0)", 1),
    ],
)
def test_a_strategy_that_ends_the_process_before_the_work_is_no_success(
    cli, at_import: str, in_init: str, in_reset: str, code: int
) -> None:
    Path("leaving.py").write_text(
        "import os, sys\n"
        "from dataclasses import dataclass\n"
        "from methods.sliding_window import SlidingWindow\n\n"
        f"{at_import}\n\n"
        "@dataclass\n"
        "class Leaving(SlidingWindow):\n"
        "    def __post_init__(self):\n"
        f"        {in_init}\n\n"
        "    def reset(self, rollout):\n"
        f"        {in_reset}\n"
        "        super().reset(rollout)\n"
    )
    result = cli(*sweep("method=leaving:Leaving,sliding_window"))
    assert result.code == code
    assert "leaving" in result.err
    assert not records(STORE)


def test_a_unit_that_ended_the_process_of_an_earlier_command_comes_last(cli) -> None:
    """Also if its backbone is the first one to load, and if there are several suites."""
    suites = "suite=flicker_stability,sharpness_retention"
    command = sweep("backbone.denoising_step_list=[1000],[500]", suites)
    (first,), (other,) = group_units(plan_units(load_sweep(command[2:])))

    def claim() -> None:
        path = STORE / ".claims" / first.id
        path.parent.mkdir(parents=True)
        path.write_text("this machine, process 1")

    def in_time(pattern: str, place: Callable[[Path], str]) -> list[str]:
        paths = sorted(STORE.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
        return [place(path) for path in paths]

    claim()
    assert cli(*command).code == 0
    assert in_time("units/*/record.json", lambda path: path.parent.name) == [other.id, first.id]
    scored = [other.id, other.id, first.id, first.id]
    assert in_time("metrics/*/*.json", lambda path: path.stem) == scored
    shutil.rmtree(STORE / "metrics")
    claim()
    assert cli("eval", "main", "duration=3", suites).code == 0
    assert in_time("metrics/*/*.json", lambda path: path.stem) == scored


def test_a_worker_that_dies_without_a_word_is_no_success(cli) -> None:
    Path("dying.py").write_text(
        "import os\n"
        "from dataclasses import dataclass\n"
        "from methods.sliding_window import SlidingWindow\n\n"
        "@dataclass\n"
        "class Dying(SlidingWindow):\n"
        "    def plan(self, first_frame):\n"
        "        os.execv('/bin/sh', ['sh', '-c', 'exit 0'])\n"
    )
    result = cli(*sweep("method=dying:Dying,sliding_window,rag", "workers=1"))
    assert result.code == 1
    assert "its process ended with status 0" in result.out
    assert len(records(STORE)) == 2  # what stood behind it was made by the next worker


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("return ClipMeasure(float('nan'))", "brightness: score is nan"),
        (
            "return 0.5",
            "brightness: `measure` must return a ClipMeasure (eval/metric.py)",
        ),
        ("raise KeyError('sky')", "brightness: KeyError: 'sky'"),
    ],
)
def test_a_metric_that_fails_is_named_and_counted_and_its_suite_keeps_the_rest(
    cli, statement: str, reason: str
) -> None:
    Path("own.py").write_text(
        "from eval.metric import ClipMean, ClipMeasure, Direction, MetricInfo\n\n"
        "class Brightness(ClipMean):\n"
        "    info = MetricInfo('brightness', 'Brightness', Direction.higher, '', '')\n\n"
        "    def measure(self, clip):\n"
        f"        {statement}\n"
    )
    command = [*sweep(), "suite=own:Brightness"]
    for _ in range(2):  # the next command neither hides nor forgets it
        result = cli(*command)
        assert result.code == 1
        assert "1 unit, 1 failed" in result.out
        assert reason in result.out.replace("\n", "")
    (scores,) = STORE.glob("metrics/Brightness/*.json")
    assert json.loads(scores.read_text())["failed"].keys() == {"brightness"}
