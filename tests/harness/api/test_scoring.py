from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import harness
from tests.conftest import PROMPT
from tests.harness.api.conftest import SUITE

pytestmark = pytest.mark.slow


@pytest.fixture
def videos(swept: harness.Result, folder: Path) -> list[Path]:
    """Two videos in a folder and its subfolder."""
    paths = [folder / "mine/a.mp4", folder / "mine/more/b.mp4"]
    for path, video in zip(paths, swept.videos, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(video.read_bytes())
    return paths


def test_a_store_is_scored_by_another_suite(swept: harness.Result, tmp_path: Path) -> None:
    copied = shutil.copytree(swept.store.folder, tmp_path / "copied")
    result = harness.score_store(copied, "flicker_stability", duration=3)
    assert not result.failures
    scores = result.store.scores
    assert set(scores["suite"]) == {SUITE, "flicker_stability"}
    assert set(scores.loc[scores["suite"] == "flicker_stability", "duration_s"]) == {3.0}


def test_a_duration_that_no_video_reaches_is_refused(swept: harness.Result) -> None:
    with pytest.raises(harness.ConfigError, match="duration=60"):
        harness.score_store(swept.store.folder, SUITE, duration=60)
    for wrong in (0, -3.0, float("nan"), float("inf")):
        with pytest.raises(harness.ConfigError, match="seconds above 0, or whole"):
            harness.score_store(swept.store.folder, SUITE, duration=wrong)


def test_videos_of_a_folder_with_their_prompts(videos: list[Path], folder: Path) -> None:
    lines = [{"video": "a.mp4", "prompt": PROMPT}, {"video": "more/b.mp4", "prompt": "a cat"}]
    manifest = folder / "prompts.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    result = harness.score_videos(folder / "mine", manifest, ["sky_error", SUITE])
    assert not result.failures
    assert result.store.folder == folder / "runs/mine"
    scores = result.store.scores.set_index(["prompt", "metric"])
    assert scores.loc[(PROMPT, "sky_error"), "value"] >= 0
    assert "needs a prompt of the street" in scores.loc[("a cat", "sky_error"), "reason"]
    assert len(scores) == 4


@pytest.mark.parametrize("kind", ["folder", "list", "mapping"])
def test_the_kinds_of_arguments_give_the_same_scores(
    videos: list[Path], folder: Path, kind: str
) -> None:
    if kind == "folder":
        result = harness.score_videos("mine", suite=SUITE, duration=3)
    elif kind == "list":
        result = harness.score_videos(videos, ["", ""], SUITE, duration=3)
    else:
        result = harness.score_videos(dict.fromkeys(videos, ""), suite=SUITE, duration=3)
    assert sorted(result.store.units["prompt_id"]) == ["given/a.mp4", "given/more/b.mp4"]
    assert len(set(result.store.scores["value"])) == 2
    assert set(result.store.units["backbone"]) == {"mine" if kind == "folder" else "videos"}


def test_an_unreadable_video_is_left_out_by_name(videos: list[Path]) -> None:
    videos[1].write_text("no video")
    result = harness.score_videos(videos, suite=SUITE)
    assert len(result.records) == 1
    assert list(result.failures) == ["b.mp4"]


def test_videos_and_prompts_must_match(videos: list[Path]) -> None:
    for wrong, text in (
        ((videos, ["one"]), "2 videos need as many prompts"),
        ((videos, "prompts.txt"), "a file of prompts goes with a folder"),
        (({videos[0]: ""}, [""]), "leave out prompts"),
        (("mine", ["one", "two"]), "order of the videos in a folder is not known"),
        (([], None), "no videos to score"),
        (("yours", None), "no such folder"),
        (([videos[0], videos[0].parent / "more/../a.mp4"], None), "is listed twice"),
    ):
        with pytest.raises(harness.ConfigError, match=text):
            harness.score_videos(*wrong, suite=SUITE)
    with pytest.raises(harness.UnknownName, match="Did you mean 'offline'"):
        harness.score_videos(videos, suite="ofline")
