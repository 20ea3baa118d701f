"""Every example runs as a user runs it: copied into an empty folder, as a program of its own."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import harness
from tests.conftest import PROMPT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: Path, example: str, *arguments: str) -> str:
    """Run a copy of an example and return what it prints."""
    shutil.copy(EXAMPLES / example, folder)
    ended = subprocess.run(
        [sys.executable, example, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_own_strategy(folder: Path) -> None:
    printed = run(folder, "own_strategy.py")
    # The last block begins at latent frame 33; frames up to 16 can be retrieved.
    assert "EveryOther" in printed and "[16, 14, 12, 10, 8, 6]" in printed
    assert "sharpness_retention" in printed
    store = harness.open_store("own_strategy")
    assert list(store.units["method"]) == ["sliding_window", "rag", "EveryOther"]
    assert store.scores["value"].notna().all()


def test_own_metric(folder: Path) -> None:
    printed = run(folder, "own_metric.py")
    scores = harness.open_store("own_metric").scores
    assert list(scores["metric"]) == ["brightness"]
    assert 0 < scores["value"][0] < 1
    assert f"{scores['value'][0]:.3f}" in printed


def test_own_encoder(folder: Path) -> None:
    run(folder, "own_encoder.py")
    traces = harness.open_store("own_encoder").traces
    memory = traces[traces["role"] == "memory"].groupby("method")["frame"].agg(list)
    assert len(memory) == 2
    assert memory.iloc[0] != memory.iloc[1]


def test_own_model(folder: Path) -> None:
    lines = run(folder, "own_model.py").splitlines()
    assert lines[0] == "block 0: retrieved (), 3 frames"
    assert len(lines) == 20  # 10 s of 8 frames/s in blocks of 2 latent frames, 4 video frames
    assert "retrieved ()" not in lines[-1] and lines[-1].endswith("4 frames")


def test_score_my_videos(folder: Path) -> None:
    made = harness.generate(
        PROMPT, "backbone.denoising_step_list=[1000]", duration=3, name="made", device="cpu"
    )
    (folder / "mine").mkdir()
    shutil.copy(made.videos[0], folder / "mine/ball.mp4")
    (folder / "mine/broken.mp4").write_text("no video")
    lines = [{"video": name, "prompt": "a cat"} for name in ("ball.mp4", "broken.mp4")]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    printed = run(folder, "score_my_videos.py", "mine", "prompts.jsonl")
    assert "left out: broken.mp4" in printed
    assert "needs a prompt of the street" in printed
    page = Path(printed.splitlines()[-1].removeprefix("leaderboard: "))
    assert page == folder / "runs/my_videos/report/index.html" and page.is_file()
    units = harness.open_store("my_videos").units
    assert set(units["prompt"]) == {"a cat"}
    assert sorted(units["status"]) == ["done", "failed"]


def test_read_results(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells of the notebook run in order, without a kernel, and end with something to show."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(EXAMPLES / "read_results.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    names: dict[str, object] = {}
    shown = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs  # results of one machine are not kept in the repository
            tree = ast.parse(cell.source)
            last = tree.body.pop()
            assert isinstance(last, ast.Expr)
            exec(compile(tree, cell.id, "exec"), names)
            shown.append(eval(compile(ast.Expression(last.value), cell.id, "eval"), names))
    units, scores, differences, _, ages, timings, _ = shown
    assert list(units["status"]) == ["done"] * 4
    assert list(scores.index) == ["rag", "sliding_window"]
    assert (differences["count"] == 2).all() and differences["std"].notna().all()
    assert (ages["min"] > 0).all()
    assert (timings > 0).all(axis=None)
    assert (folder / "runs/read_results/report/index.html").is_file()
