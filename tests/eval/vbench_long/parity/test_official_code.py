"""The installed official class and ours, on fresh clips: the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.scoring.scorer import Scorer, Workspace
from eval.scoring.suite import find_suite
from eval.vbench_long import layout
from eval.vbench_long.dataset import DIMENSIONS, score_dataset
from eval.vbench_long.official_code.run import run_official
from tests.eval.conftest import Scene, encode, measure_clip

# 4 frames per second: clips of 8 frames. 88 x 72 pixels: neither square nor a multiple of 16, and
# just large enough for the correlation pyramids of RAFT and AMT.
FPS, HEIGHT, WIDTH = 4, 72, 88
TOLERANCES = {"motion_smoothness": 1e-5, "imaging_quality": 1e-5, "dynamic_degree": 0}


def test_every_dimension_equals_the_official_class(
    weights: Callable[..., None], tmp_path: Path
) -> None:

    weights(*layout.ALL_FILES)
    frames = Scene(seed=3, height=HEIGHT, width=WIDTH).frames(22 * 3)[::3][:13]
    video = encode(tmp_path / "video.mp4", frames, FPS)
    workspace = Workspace(tmp_path / "clips", tmp_path / "features")
    scorer = Scorer(find_suite("vbench_long"))
    scores = scorer.score(video, "a disc", {"3": 13}, "unit", None, workspace)
    assert {name: m.reason for name, m in scores.metrics.items() if m.reason} == {}
    assert [(clip.start_frame, clip.end_frame) for clip in scores.clips] == [(0, 8), (5, 13)]

    files = sorted((tmp_path / "clips" / "unit").glob("0*.mp4"))
    official = run_official({"a disc-0": (video, files)}, DIMENSIONS, "cpu", threads=1)
    ours = score_dataset([scores], "3")
    for dimension in DIMENSIONS:
        expected, found = official[dimension][0], ours[dimension].official
        assert found == pytest.approx(expected, abs=TOLERANCES.get(dimension, 1e-6)), dimension
    background = official["background_consistency"][1][0]
    parts = scores.metrics["background_consistency"].parts["3"]
    assert parts["clip_to_clip"] == pytest.approx(background["clip2clip_score"], abs=1e-6)
    assert parts["mapped"] == pytest.approx(background["mapped_clip2clip_score"], abs=1e-6)
    alignment = scores.metrics["text_alignment"].durations["3"]
    assert alignment is not None and -1 <= alignment <= 1
    # The prompt itself is not the prompt with "-0".
    overall = ours["overall_consistency"]
    assert overall.official != overall.per_video

    again = Scorer(find_suite("vbench_long"))
    repeated = again.score(video, "a disc", {"3": 13}, "unit", None, workspace)
    assert again.pool.num_loads == 0
    assert repeated.metrics == scores.metrics


def test_weights_of_another_network_are_null_in_exactly_their_dimension(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "longtake"))
    from tests.eval.vbench_long.parity.random_weights import provide

    provide(layout.AMT_S)
    provide(layout.RAFT_THINGS)
    shutil.copy(layout.AMT_S.path, layout.RAFT_THINGS.path)
    video = encode(tmp_path / "video.mp4", Scene(height=HEIGHT, width=WIDTH).frames(8), FPS)

    def score() -> tuple[dict[str, str | None], tuple[str, ...]]:
        scores = Scorer(find_suite("vbench_long")).score(video, "a disc", {"2": 8}, "unit")
        return {name: m.reason for name, m in scores.metrics.items()}, scores.not_set_up

    for _ in range(2):  # the second time the file is known to be wrong
        reasons, not_set_up = score()
        assert reasons["motion_smoothness"] is None
        assert "cannot be loaded as weights of raft" in str(reasons["dynamic_degree"])
        assert "weights missing" in str(reasons["imaging_quality"])
        assert "dynamic_degree" in not_set_up
    layout.RAFT_THINGS.path.unlink()
    provide(layout.RAFT_THINGS)
    reasons, not_set_up = score()
    assert reasons["dynamic_degree"] is None and "dynamic_degree" not in not_set_up


def test_a_file_of_another_clip_model_is_refused(
    weights: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from eval.networks.weights import WeightsUnusable
    from eval.vbench_long.networks.openai_clip import CLIP_VITB32

    weights(layout.CLIP_L14)
    large = layout.CLIP_L14.path
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    layout.CLIP_B32.path.parent.mkdir(parents=True)
    shutil.copy(large, layout.CLIP_B32.path)
    with pytest.raises(WeightsUnusable, match="first convolution"):
        CLIP_VITB32.load("cpu")


def test_weights_beside_objects_of_the_program_that_wrote_them_are_read(
    weights: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published amt-s.pth contains objects beside its tensors."""
    import fractions

    import torch

    from eval.metric import Clip
    from eval.vbench_long.networks.amt import AMT

    weights(layout.AMT_S)
    frames = Scene(seed=3, height=HEIGHT, width=WIDTH).frames(5)
    plain = AMT.load("cpu")(Clip(np.asarray(frames), 0, 4, ""))
    content = torch.load(layout.AMT_S.path) | {"config": fractions.Fraction(1, 3)}
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path))
    layout.AMT_S.path.parent.mkdir(parents=True)
    torch.save(content, layout.AMT_S.path)
    found = AMT.load("cpu")(Clip(np.asarray(frames), 0, 4, ""))
    np.testing.assert_array_equal(found, plain)


def test_alignment_falls_when_the_prompt_belongs_to_another_video(
    weights: Callable[..., None],
) -> None:
    """Random weights can only show that the text changes the score, not that it is understood."""
    from eval.metric import Clip
    from eval.metrics.text_alignment import TextAlignment

    weights(layout.CLIP_B32)
    frames = np.random.default_rng(0).integers(0, 256, (8, 40, 56, 3), np.uint8)
    metric = TextAlignment()
    metric.setup()
    dog, rain = (Clip(frames, 0, 16, text) for text in ("a dog", "rain"))
    assert abs(measure_clip(metric, dog).score - measure_clip(metric, rain).score) > 1e-6
