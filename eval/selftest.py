"""Self-test of metrics: which notice a spoiled video, which are blind, which are fooled."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from eval.degrade import DEGRADATIONS
from eval.metric import Direction, MetricInfo
from eval.score import Scorer, Scores
from eval.suite import Suite

FPS = 16
STRENGTHS = (0.0, 1 / 3, 2 / 3, 1.0)
# A smaller change than this share of the untouched value counts as none.
BLIND_SHARE = 0.005


@dataclass(frozen=True)
class Reaction:
    """How a metric takes a degradation, over all videos.

    Attributes:
        values: mean over videos at each strength.
        verdict: "worse" or "better" at every step, in brackets if not at every step; "blind".
        num_agreeing: videos whose change has the sign of the mean.
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
        num_videos: how many.
    """

    infos: Mapping[str, MetricInfo]
    reactions: Mapping[str, Mapping[str, Reaction]]
    frozen: Mapping[str, tuple[float, ...]]
    missing: Mapping[str, str]
    num_videos: int


def run_selftest(
    videos: Mapping[str, np.ndarray], suites: Sequence[Suite], progress: Callable[[int, int], None]
) -> SelfTest:
    """Score every video, spoiled in every way and strength.

    Args:
        videos: frames (frame, height, width, 3) of at least two videos, equal in shape, 16 fps.
        suites: what to test.
        progress: called with scored and all videos.
    """
    scorers = [Scorer(suite) for suite in suites]
    names = list(videos)
    values: dict[str, dict[str, list[list[float]]]] = {}
    flags: dict[str, list[list[bool]]] = {}
    infos: dict[str, MetricInfo] = {}
    missing: dict[str, str] = {}
    total = len(names) * len(DEGRADATIONS) * len(STRENGTHS)
    for done, (name, kind, place) in enumerate(_cases(names), start=1):
        other = videos[names[(names.index(name) + 1) % len(names)]]
        spoiled = DEGRADATIONS[kind](videos[name], other, STRENGTHS[place], FPS)
        if place == 0:
            flags.setdefault(kind, []).append([])
        for number, scorer in enumerate(scorers):
            scores = _score(scorer, spoiled)
            (stillness,) = scores.frozen.values()
            if number == 0:
                flags[kind][-1].append(bool(stillness and stillness.flag))
            for metric, scored in scores.metrics.items():
                (value,) = scored.durations.values()
                if value is None:
                    missing[metric] = scored.reason or "no reason given"
                    continue
                infos[metric] = scored.info
                series = values.setdefault(metric, {}).setdefault(kind, [])
                if place == 0:
                    series.append([])
                series[-1].append(value)
        progress(done, total)
    reactions = {
        metric: {kind: _reaction(infos[metric], series) for kind, series in by_kind.items()}
        for metric, by_kind in values.items()
        if metric not in missing
    }
    frozen = {kind: tuple(np.mean(found, axis=0).tolist()) for kind, found in flags.items()}
    return SelfTest(infos, reactions, frozen, missing, len(names))


def _cases(names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    for name in names:
        for kind in DEGRADATIONS:
            for place in range(len(STRENGTHS)):
                yield name, kind, place


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
