"""Metrics of whole videos, and reward models: small real ones in the layout of the published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.clip import Clip, ScoredSegment
from eval.errors import MetricFailed, MetricUnavailable
from eval.metric import Direction, Kind, MetricInfo, Outputs
from eval.metrics import rewards
from eval.scoring.results import ScoredMetric
from eval.scoring.scorer import Scorer
from eval.scoring.suite import METRICS, SUITES, Suite
from eval.vbench_long.whole_text import WholeOverallConsistency
from eval.video_metric import VideoMetric, WholeVideo

# A linear model on the mean colour of a video, its weights in a file; it prints as large ones do.
MODEL = """
import av, json, os, torch
from pathlib import Path
def colour(path):
    with av.open(path) as file:
        return torch.stack([torch.from_numpy(frame.to_ndarray(format="rgb24")).float().mean((0, 1))
                            for frame in file.decode(video=0)]).mean(0) / 255
"""
VIDEOALIGN = (
    MODEL
    + """
class VideoVLMRewardInference:
    def __init__(self, load_from_pretrained, device, dtype):
        print("Loading checkpoint shards: 100%")
        os.write(1, b"as libraries of C do\\n")
        json.loads(Path(load_from_pretrained, "model_config.json").read_text())
        self.weight = torch.load(Path(load_from_pretrained, "model.pth"), weights_only=True)
    def reward(self, video_paths, prompts, use_norm):
        assert use_norm
        values = [self.weight @ colour(path) + len(prompt)
                  for path, prompt in zip(video_paths, prompts)]
        return [{**dict(zip(("VQ", "MQ", "TA"), v.tolist())), "Overall": v.sum().item()}
                for v in values]
"""
)
VISIONREWARD = """
import av
import numpy as np
model = np.load("THUDM/VisionReward-Video/model.npy")
def score(video_path, prompt):
    print("scoring video")
    with av.open(video_path) as file:
        colours = [f.to_ndarray(format="rgb24").mean((0, 1)) for f in file.decode(video=0)]
    return (model @ np.mean(colours, 0))[0].item() / 255
"""
HPSV3 = """
import torch
from PIL import Image
import numpy as np
class HPSv3RewardInferencer:
    def __init__(self, checkpoint_path, device):
        self.weight = torch.load(checkpoint_path, weights_only=True)
    def reward(self, prompts, image_paths):
        return [torch.stack([torch.from_numpy(np.array(Image.open(path))).float().mean((0, 1)) @
                self.weight[0] / 255, torch.tensor(1.0)]) for path in image_paths]
"""
WEIGHT = np.arange(9, dtype=np.float32).reshape(3, 3) / 10


def score(
    video: Path, frames: dict[str, int], metrics: tuple[str, ...], prompt: str = "a disc"
) -> dict[str, ScoredMetric]:
    scores = Scorer(Suite("some", "1", metrics)).score(video, prompt, frames, "unit")
    return dict(scores.metrics)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All three, in the layout of their repositories, with the same weights."""
    align, vision, hps = (tmp_path / name for name in ("align", "vision", "hps"))
    for place, text in (
        (align / "inference.py", VIDEOALIGN),
        (align / "checkpoints/model_config.json", "{}"),
        (vision / "inference-video.py", VISIONREWARD),
        (hps / "hpsv3/__init__.py", HPSV3),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    for place in (align / "checkpoints", vision / "THUDM/VisionReward-Video", hps):
        place.mkdir(parents=True, exist_ok=True)
        torch.save(torch.from_numpy(WEIGHT), place / "model.pth")
        np.save(place / "model.npy", WEIGHT)
    monkeypatch.setenv("LONGTAKE_VIDEOALIGN", str(align))
    monkeypatch.setenv("LONGTAKE_VISIONREWARD", str(vision))
    monkeypatch.setenv("LONGTAKE_HPSV3", str(hps / "model.pth"))
    monkeypatch.setenv("PYTHONPATH", str(hps))
    return tmp_path


@pytest.mark.slow
def test_rewards_are_those_of_the_models(
    models: Path, write_video: Callable[..., Path], make_scene
) -> None:
    frames = make_scene().frames(40)
    video = write_video(frames, "a.mp4")
    found = score(video, {"1": 16, "2.5": 40}, SUITES["rewards"].metrics)
    colour = frames.mean((0, 1, 2)) / 255
    expected = WEIGHT @ colour
    for name, value in zip(("visual", "motion", "text"), expected + len("a disc"), strict=True):
        metric = found[f"videoalign_{name}"]
        assert metric.durations == {"1": None, "2.5": pytest.approx(value, abs=0.01)}
        assert metric.reason is not None and "duration=whole" in metric.reason
        assert metric.curve is None and metric.info.kind is Kind.reward
    assert found["visionreward"].durations["2.5"] == pytest.approx(expected[0], abs=0.01)
    pictures = {"1": frames[:1], "2.5": frames[[0, 16, 32]]}
    for duration, shown in pictures.items():
        value = (shown.mean((0, 1, 2)) / 255) @ WEIGHT[0]
        assert found["hpsv3"].durations[duration] == pytest.approx(value, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("raise RuntimeError('no memory')", "gave no answer: RuntimeError: no memory"),
        ("score = lambda video, prompt: float('nan')", "gave score=nan, expected a number"),
        ("def score(video, prompt): raise ValueError('bad\\nvideo')", "ValueError: bad video"),
        ("import time\ntime.sleep(60)", "took too long"),
    ],
)
def test_a_model_that_fails_makes_its_cell_null_with_the_reason(
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_video: Callable[..., Path],
    make_scene,
    model: str,
    said: str,
) -> None:
    (models / "vision/inference-video.py").write_text(model)
    if "sleep" in model:
        monkeypatch.setenv("LONGTAKE_REWARD_TIMEOUT_S", "0.5")
    video = write_video(make_scene().frames(9), "a.mp4")
    found = score(video, {"whole": 9}, ("visionreward", "flicker_stability"))
    assert found["visionreward"].durations == {"whole": None}
    assert said in str(found["visionreward"].reason)
    assert found["flicker_stability"].durations["whole"] is not None


def test_a_model_that_fails_on_a_video_is_asked_once_a_run(
    models: Path, write_video: Callable[..., Path], make_scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Failing:
        def ask(self, request: dict[str, object]) -> dict[str, float]:
            asked.append(request["video"])
            raise MetricFailed("too long")

    monkeypatch.setattr(rewards, "_process", lambda *given: Failing())
    video = write_video(make_scene().frames(9), "a.mp4")
    for num_runs in (1, 2):
        found = score(video, {"whole": 9}, SUITES["rewards"].metrics[:3])
        assert all("too long" in str(metric.reason) for metric in found.values())
        assert len(asked) == num_runs


def test_absent_models_say_how_to_get_them(
    write_video: Callable[..., Path],
    make_scene,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in ("VIDEOALIGN", "VISIONREWARD", "HPSV3"):
        monkeypatch.delenv(f"LONGTAKE_{name}", raising=False)
    monkeypatch.setenv("LONGTAKE_VISIONREWARD", str(tmp_path))
    video = write_video(make_scene().frames(9), "a.mp4")
    found = score(video, {"whole": 9}, SUITES["rewards"].metrics)
    reasons = [str(metric.reason) for metric in found.values()]
    assert "LONGTAKE_VIDEOALIGN is not set" in reasons[0] and "git clone" in reasons[0]
    assert "inference-video.py is missing" in reasons[3]
    assert "pip install hpsv3" in reasons[4]
    assert {METRICS.load(name).info.kind for name in SUITES["rewards"].metrics} == {Kind.reward}


class Counted(VideoMetric):
    """The number of frames that it sees, and of bytes of latents."""

    info = MetricInfo("counted", "Counted", Direction.higher, "", "Frames and latents.")

    def score_video(self, video: WholeVideo) -> float:
        shapes = {frame_HWC.shape for frame_HWC in video.frames()}
        assert len(shapes) == 1 and video.prompt == "a disc"
        return sum(1 for _ in video.frames()) + (
            video.latents.stat().st_size if video.latents else 0
        )


class Brightness:
    """A network that gives the mean of each frame it sees, and counts its calls."""

    name, size_mib, reads_prompt = "brightness", 0, False
    num_calls = 0

    def check(self) -> None:
        pass

    def key(self, device: str) -> str:
        return self.name

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        def run(clip: Clip) -> np.ndarray:
            Brightness.num_calls += 1
            return clip.frames_FHWC.mean((1, 2, 3))

        return run


class Ends(VideoMetric):
    """The brightness of the last frame, minus that of the first."""

    networks = (Brightness(),)
    info = MetricInfo("ends", "Ends", Direction.higher, "", "Last minus first.")

    def chosen_frames(self, num_frames: int) -> list[int]:
        return [0, num_frames - 1]

    def score_video(self, video: WholeVideo, outputs: Outputs) -> float:  # type: ignore[override]
        first, last = outputs[self.networks[0]]
        return float(last - first)


class Forgetful(Ends):
    info = replace(Ends.info, name="forgetful")

    def score_video(self, video: WholeVideo) -> float:  # type: ignore[override]
        return 0.0


def test_networks_of_a_whole_video_see_the_chosen_frames_of_each_duration(
    write_video: Callable[..., Path],
) -> None:
    frames = np.repeat(np.arange(0, 200, 10, dtype=np.uint8), 64 * 64 * 3).reshape(20, 64, 64, 3)
    video = write_video(frames, "a.mp4")
    suite = Suite("own", "1", (f"{__name__}:Ends", f"{__name__}:Forgetful", "flicker_stability"))
    scores = Scorer(suite).score(video, "a disc", {"0.5": 8, "whole": 20}, "unit")
    found = scores.metrics["ends"].durations
    assert found == {"0.5": pytest.approx(70, abs=3), "whole": pytest.approx(190, abs=3)}
    assert Brightness.num_calls == 2 and scores.networks["brightness"] == "brightness"
    assert "`score_video` must take (video, outputs)" in scores.failed["forgetful"]


def test_overall_consistency_of_whole_videos_is_that_of_eight_of_their_frames() -> None:
    metric = WholeOverallConsistency()
    assert list(metric.chosen_frames(80)) == [4, 14, 24, 34, 44, 54, 64, 74]
    assert list(metric.chosen_frames(3)) == [0, 1, 2, 2, 2, 2, 2, 2]
    assert list(metric.chosen_frames(8)) == list(range(8)), "the network sees all that were chosen"
    outputs = Outputs({"viclip_video": np.array([0.6, 0.8]), "viclip_text": np.eye(2)})
    video = WholeVideo(Path("a.mp4"), 80, True, 16, "a disc")
    assert metric.score_video(video, outputs) == pytest.approx(0.6)
    for change, said in (
        ({"prompt": " "}, "has none"),
        ({"segments": (ScoredSegment(0, "a"), ScoredSegment(9, "b"))}, "changes"),
    ):
        with pytest.raises(MetricUnavailable, match=said):
            metric.score_video(replace(video, **change), outputs)


def test_a_metric_of_ones_own_sees_frames_and_latents_of_each_duration(
    write_video: Callable[..., Path], make_scene, tmp_path: Path
) -> None:
    video = write_video(make_scene().frames(20), "a.mp4")
    latents = tmp_path / "latents.safetensors"
    latents.write_bytes(bytes(1000))
    suite = Suite("own", "1", (f"{__name__}:Counted", "flicker_stability"))
    scores = Scorer(suite).score(video, "a disc", {"0.5": 8, "whole": 20}, "unit", latents=latents)
    assert scores.metrics["counted"].durations == {"0.5": 1008, "whole": 1020}
    assert scores.metrics["counted"].curve is None and scores.failed == {}
