from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.store.run_store import RunStore
from harness.store.shards import Evaluation, split_evaluations
from tests.harness.store.test_imported import manifest, moving, write

pytestmark = pytest.mark.slow


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3))
def test_a_worker_scores_all_suites_of_its_videos(
    num_units: int, num_workers: int, num_suites: int
) -> None:
    tasks = [
        Evaluation(f"u{unit}", f"s{suite}", "", {"2": 32})
        for unit in range(num_units)
        for suite in range(num_suites)
    ]
    parts = split_evaluations(tasks, num_workers)
    assert sorted(task.item for part in parts for task in part) == sorted(t.item for t in tasks)
    sizes = [len({task.unit_id for task in part}) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for part in parts:
        assert [task.suite for task in part] == sorted(task.suite for task in part)
        for unit_id in {task.unit_id for task in part}:
            assert sum(task.unit_id == unit_id for task in part) == num_suites


def numbers(store: Path) -> dict[str, object]:
    found = {}
    for path in sorted((store / "metrics").rglob("*.json")):
        content = json.loads(path.read_text())
        if isinstance(content, dict):
            found[f"{path.parent.name}/{path.name}"] = (content["metrics"], content["clips"])
    return found


def test_scores_of_the_same_clips_do_not_depend_on_sharding(cli, tmp_path: Path) -> None:
    """Clips are encoded once and kept: x264 does not always give the same bytes twice."""
    folder = tmp_path / "mine"
    for seed, name in enumerate("abc"):
        write(folder / f"{name}.mp4", moving(70, seed=seed))
    listed = manifest(folder, a="a", b="b", c="c")
    given_ = (f"videos={folder}", f"manifest={listed}", "suite=vbench_long,flow_motion")
    assert cli("eval", *given_, "name=one").code == 0
    kept = "scoring/clips"
    shutil.copytree(tmp_path / "runs/one" / kept, tmp_path / "runs/two" / kept)
    assert cli("eval", *given_, "name=two", "executor=processes", "workers=2").code == 0
    one, two = numbers(tmp_path / "runs" / "one"), numbers(tmp_path / "runs" / "two")
    assert one and one == two


def test_interrupted_scoring_continues_with_the_next_clip(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.metrics.flow import FlowEstimator

    folder = tmp_path / "mine"
    write(folder / "a.mp4", moving(96))
    given_ = (f"videos={folder}", f"manifest={manifest(folder, a='a')}", "suite=flow_motion")
    calls = 0
    flow = FlowEstimator.__call__

    def counted(self: FlowEstimator, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise KeyboardInterrupt
        return flow(self, before, after)

    monkeypatch.setattr(FlowEstimator, "__call__", counted)
    assert cli("eval", *given_).code == 130
    assert cli("eval", *given_).code == 0
    # Three clips of fifteen pairs; the first two were kept, and ten pairs of the third are lost.
    assert calls == 40 + 15
    store = RunStore(tmp_path / "runs" / "mine")
    assert len(list((store.workspace / "features").rglob("*.npz"))) == 3
