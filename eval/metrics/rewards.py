"""Learned rewards of whole videos: VideoAlign, VisionReward, HPSv3.

Each model is a repository or package with weights on this machine, in an environment of its own: a
variable names its place, LONGTAKE_REWARD_PYTHON the Python that runs it. They share no table with
other metrics.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import ClassVar

import cv2

from eval.metric import Direction, Heading, Kind, MetricInfo, MetricUnavailable
from eval.rewards import adapters
from eval.rewards.process import RewardProcess
from eval.video_metric import VideoMetric, WholeVideo


@dataclass(frozen=True)
class RewardModel:
    """A reward model on this machine.

    Attributes:
        name: that of its adapter.
        title: its name.
        variable: names its place.
        needs: files below the place without which it is not here; none where the place is a file.
        get: commands that get it.
        sees_frames: whether it is shown a picture a second instead of the file.
    """

    name: str
    title: str
    variable: str
    needs: tuple[str, ...]
    get: str
    sees_frames: bool = False

    def place(self) -> Path:
        """Return the place of its code or weights.

        Raises:
            MetricUnavailable: the variable is not set, or something is missing there.
        """
        text = os.environ.get(self.variable)
        missing = [Path(text) / file for file in self.needs or ("",)] if text else []
        missing = [path for path in missing if not path.exists()]
        if text and not missing:
            return Path(text)
        why = f"{missing[0]} is missing" if missing else f"{self.variable} is not set"
        raise MetricUnavailable(f"{self.title}: {why}; get it with `{self.get}` (docs/metrics.md)")

    def scores(self, video: WholeVideo) -> dict[str, float]:
        """Return its scores of a video; asked once for all metrics made of them.

        Raises:
            MetricUnavailable: it is not here, or does not apply to the video.
            MetricFailed: it gave no answer, or nonsense.
        """
        if not video.prompt.strip():
            raise MetricUnavailable("needs a prompt, and the video has none")
        if video.segments:
            raise MetricUnavailable("judges one prompt, and that of the video changes")
        python = os.environ.get("LONGTAKE_REWARD_PYTHON", sys.executable)
        written_ns = video.path.stat().st_mtime_ns
        question = (self, video, written_ns, python, self.place())
        if question in _failures:
            raise _failures[question].with_traceback(None)
        try:
            return _scores(*question)
        except MetricUnavailable as error:
            _failures[question] = error
            raise

    def forget_failures(self) -> None:
        """Ask again about videos that it gave no scores of: a new run begins."""
        for question in [question for question in _failures if question[0] == self]:
            del _failures[question]


_Question = tuple[RewardModel, WholeVideo, int, str, Path]
_failures: dict[_Question, MetricUnavailable] = {}


@cache
def _process(model: RewardModel, python: str, place: Path) -> RewardProcess:
    return RewardProcess(model.title, [python, adapters.__file__, model.name, str(place)])


@lru_cache
def _scores(
    model: RewardModel, video: WholeVideo, written_ns: int, python: str, place: Path
) -> dict[str, float]:
    with _pictures(video if model.sees_frames else None) as pictures:
        return _process(model, python, place).ask(
            {
                "video": str(video.path.resolve()),
                "prompt": video.prompt,
                "whole": video.is_whole,
                "frames": pictures,
            }
        )


@contextmanager
def _pictures(video: WholeVideo | None) -> Iterator[list[str]]:
    """Write a frame a second as files for a while."""
    with tempfile.TemporaryDirectory(prefix="longtake-frames-") as folder:
        written = []
        for index, frame_HWC in enumerate(video.frames() if video else ()):
            assert video is not None
            if index % video.fps == 0:
                written.append(f"{folder}/{index:06d}.png")
                cv2.imwrite(written[-1], cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2BGR))
        yield written


VIDEOALIGN = RewardModel(
    "videoalign",
    "VideoAlign",
    "LONGTAKE_VIDEOALIGN",
    ("inference.py", "checkpoints/model_config.json"),
    "git clone https://github.com/KwaiVGI/VideoAlign && hf download KwaiVGI/VideoReward "
    "--local-dir VideoAlign/checkpoints",
)
VISIONREWARD = RewardModel(
    "visionreward",
    "VisionReward",
    "LONGTAKE_VISIONREWARD",
    ("inference-video.py", "THUDM/VisionReward-Video"),
    "git clone https://github.com/THUDM/VisionReward && hf download THUDM/VisionReward-Video "
    "--local-dir VisionReward/THUDM/VisionReward-Video",
)
HPSV3 = RewardModel(
    "hpsv3",
    "HPSv3",
    "LONGTAKE_HPSV3",
    (),
    "pip install hpsv3 && hf download MizzenAI/HPSv3",
    sees_frames=True,
)


class _Reward(VideoMetric):
    """Base of the rewards: one score of a model."""

    model: ClassVar[RewardModel]
    score: ClassVar[str] = "score"

    def setup(self) -> None:
        """Look for the model; what failed in an earlier run is asked again.

        Raises:
            MetricUnavailable: it is not here; the text says how to get it.
        """
        self.model.forget_failures()
        self.model.place()

    def score_video(self, video: WholeVideo) -> float:
        """Return the score of the model."""
        return self.model.scores(video)[self.score]


def _info(name: str, title: str, heading: Heading, description: str) -> MetricInfo:
    return MetricInfo(name, title, Direction.higher, "", description, heading, Kind.reward)


class VideoAlignVisual(_Reward):
    """VideoAlign's reward of visual quality."""

    model, score = VIDEOALIGN, "VQ"
    info = _info(
        "videoalign_visual",
        "VideoAlign, visual",
        Heading.frame_quality,
        "VideoAlign's visual quality (VQ), normalised as its code does.",
    )


class VideoAlignMotion(_Reward):
    """VideoAlign's reward of motion quality."""

    model, score = VIDEOALIGN, "MQ"
    info = _info(
        "videoalign_motion",
        "VideoAlign, motion",
        Heading.motion,
        "VideoAlign's motion quality (MQ), normalised as its code does.",
    )


class VideoAlignText(_Reward):
    """VideoAlign's reward of text alignment."""

    model, score = VIDEOALIGN, "TA"
    info = _info(
        "videoalign_text",
        "VideoAlign, text",
        Heading.prompt,
        "VideoAlign's text alignment (TA), normalised as its code does.",
    )


class VisionReward(_Reward):
    """VisionReward's score of a video."""

    model = VISIONREWARD
    info = _info(
        "visionreward",
        "VisionReward",
        Heading.frame_quality,
        "VisionReward's weighted answers to its questions about the video.",
    )


class HPSv3(_Reward):
    """Mean of HPSv3 over one frame a second."""

    model = HPSV3
    info = _info(
        "hpsv3",
        "HPSv3",
        Heading.frame_quality,
        "HPSv3 of one frame a second with the prompt, mean over frames.",
    )
