"""Self-test of metrics: their reaction to degraded videos."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from eval.metric import Direction, MetricInfo
from eval.scoring.results import ScoredMetric, Scores
from eval.scoring.scorer import Scorer
from eval.scoring.suite import Suite
from eval.video.degrade import DEGRADATIONS

FPS = 16
STRENGTHS = (0.0, 0.5, 1.0)
# A smaller change, as a share of the value of the original video, counts as none.
BLIND_SHARE = 0.005


@dataclass(frozen=True)
class Reaction:
    """Reaction of a metric to a degradation, over all videos.

    Attributes:
        values: mean over videos at each strength.
        verdict: "worse" or "better", in brackets if not at every step; "blind" for no change.
        num_agreeing: number of videos whose change has the sign of the mean.
    """

    values: tuple[float, ...]
    verdict: str
    num_agreeing: int


@dataclass(frozen=True)
class SelfTest:
    """Reactions by metric and degradation.

    Attributes:
        infos: the metrics that have a number.
        reactions: by metric, by degradation.
        frozen: share of videos flagged as frozen, by degradation and strength.
        missing: metrics without a number, with the reason.
        num_videos: number of videos.
    """

    infos: Mapping[str, MetricInfo]
    reactions: Mapping[str, Mapping[str, Reaction]]
    frozen: Mapping[str, tuple[float, ...]]
    missing: Mapping[str, str]
    num_videos: int


def run_selftest(
    videos: Mapping[str, np.ndarray], suites: Sequence[Suite], progress: Callable[[int, int], None]
) -> SelfTest:
    """Score every video with every degradation at every strength.

    Args:
        videos: frames (frame, height, width, 3) of at least two videos, equal in shape, 16 fps.
        suites: suites whose metrics are tested.
        progress: called with the number of scored videos and of all.
    """
    scorers = [Scorer(suite) for suite in suites]
    names = list(videos)
    total = len(names) * (1 + len(DEGRADATIONS) * (len(STRENGTHS) - 1))
    done = 0
    series: dict[str, list[list[list[Scores]]]] = {kind: [] for kind in DEGRADATIONS}
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        untouched = [_score(scorer, videos[name]) for scorer in scorers]
        progress(done := done + 1, total)
        for kind, degrade in DEGRADATIONS.items():
            strengths = [untouched]
            for strength in STRENGTHS[1:]:
                degraded = degrade(videos[name], videos[other], strength, FPS)
                strengths.append([_score(scorer, degraded) for scorer in scorers])
                progress(done := done + 1, total)
            series[kind].append(strengths)
    return _summary(series, len(scorers))


def _summary(series: Mapping[str, Sequence[Sequence[Sequence[Scores]]]], num: int) -> SelfTest:
    """Summarise the scores by degradation, video, strength and suite."""
    infos: dict[str, MetricInfo] = {}
    missing: dict[str, str] = {}
    reactions: dict[str, dict[str, Reaction]] = {}
    for kind, videos in series.items():
        for suite in range(num):
            for metric, scored in videos[0][0][suite].metrics.items():
                infos[metric] = scored.info
                cells = [[cell[suite].metrics[metric] for cell in video] for video in videos]
                lacking = [s.reason for row in cells for s in row if _number(s) is None]
                if lacking:
                    missing[metric] = lacking[0] or "no reason given"
                    continue
                table = [[float(_number(cell) or 0.0) for cell in row] for row in cells]
                reactions.setdefault(metric, {})[kind] = _reaction(scored.info, table)
    complete = {name: found for name, found in reactions.items() if name not in missing}
    frozen = {
        kind: tuple(
            float(np.mean([_is_frozen(video[place][0]) for video in videos]))
            for place in range(len(STRENGTHS))
        )
        for kind, videos in series.items()
    }
    num_videos = len(next(iter(series.values())))
    return SelfTest(infos, complete, frozen, missing, num_videos)


def _number(scored: ScoredMetric) -> float | None:
    (value,) = scored.durations.values()
    return value


def _is_frozen(scores: Scores) -> bool:
    (stillness,) = scores.frozen.values()
    return stillness is not None and stillness.flag


def _score(scorer: Scorer, frames: np.ndarray) -> Scores:
    with tempfile.TemporaryDirectory(prefix="longtake-selftest-") as folder:
        path = Path(folder) / "video.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264rgb", rate=FPS)
            stream.pix_fmt, stream.options = "rgb24", {"crf": "0", "preset": "ultrafast"}
            stream.height, stream.width = frames.shape[1:3]
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        seconds = f"{len(frames) / FPS:g}"
        return scorer.score(path, "", {seconds: len(frames)}, "selftest")


def _reaction(info: MetricInfo, series: Sequence[Sequence[float]]) -> Reaction:
    table = np.array(series)
    mean = table.mean(axis=0)
    change = mean[-1] - mean[0]
    moves = [b - a for a, b in pairwise(mean)]
    largest = np.abs(mean - mean[0]).max()
    agreeing = int(np.sum(np.sign(table[:, -1] - table[:, 0]) == np.sign(change)))
    if largest <= BLIND_SHARE * max(abs(mean[0]), 1e-9):
        return Reaction(tuple(mean.tolist()), "blind", agreeing)
    verdict = "worse" if (change < 0) == (info.direction is Direction.higher) else "better"
    steady = all(np.sign(move) == np.sign(change) for move in moves)
    return Reaction(tuple(mean.tolist()), verdict if steady else f"({verdict})", agreeing)
