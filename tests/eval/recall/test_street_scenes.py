"""Metrics of the visitor and of the cups, on videos whose truth is known."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from backbones.world.street.prompt import Scene
from backbones.world.street.script import Script
from eval.clip import ScoredSegment
from eval.metric import Clip, MetricUnavailable
from eval.recall.street_cups import CupsAccuracy
from eval.recall.street_metric import StreetMetric
from eval.recall.street_recall import FigureRecall
from eval.recall.street_visitor import VisitorIdentity, VisitorRecall
from harness.studies.worlds.bounds import COPY, OTHER, TRUTH, VAE, Bound, markdown, measure_bounds
from tests.eval.recall.test_street_recall import clips, rendered


def _script(cast: str, *motions: tuple[str, float]) -> Script:
    return Script.of_segments([(s, f"noon grassy {cast} {motion}") for motion, s in motions])


def _clips(frames: np.ndarray, script: Script) -> list[Clip]:
    starts = [0, *accumulate(12 * shot.num_blocks for shot in script.shots)]
    segments = tuple(
        ScoredSegment(max(0, start - 3), str(shot.prompt))
        for start, shot in zip(starts, script.shots, strict=False)
    )
    return [Clip(c.frames_FHWC, c.start_frame, c.fps, "", segments) for c in clips(frames, "")]


def _parts(metric: StreetMetric, frames: np.ndarray, script: Script) -> dict[str, float]:
    found = metric.combine([metric.measure(clip) for clip in _clips(frames, script)])
    return {"mean": found.value, **found.parts}


VISITS = _script(
    "visitor",
    *(("staying", 3), ("away", 3), ("staying", 3), ("away", 3), ("another", 3), ("away", 6)),
    *(("first", 3), ("away", 3), ("another", 3)),
)
GAME = _script(
    "cups",
    *(("showing", 1.5), ("resting", 0.75), ("swapleft", 0.75), ("resting", 3), ("showing", 1.5)),
    *(("resting", 0.75), ("swapright", 0.75), ("swapouter", 0.75), ("resting", 0.75)),
    *(("showing", 1.5), ("resting", 1.5)),
)


@pytest.fixture(scope="module")
def bounds() -> list[Bound]:
    return measure_bounds([Scene.visitor, Scene.cups], num=1, seed=0, on_script=lambda: None)


@pytest.mark.slow
def test_the_truth_has_the_ceiling_and_keeps_most_of_it_through_the_vae(
    bounds: list[Bound],
) -> None:
    for one in bounds:
        if one.kind == TRUTH:
            assert one.mean == pytest.approx(1, abs=0.01)
        if one.kind == VAE:
            assert one.mean > 0.6


@pytest.mark.slow
def test_a_copy_of_the_last_view_never_finds_the_ball(bounds: list[Bound]) -> None:
    found = {(one.metric, one.kind): one.mean for one in bounds}
    assert found["cups_accuracy", COPY] == 0
    assert found["visitor_identity", COPY] < 1
    assert abs(found["visitor_recall", OTHER]) < 0.5
    lines = list(markdown(bounds))
    assert len(lines) == 2 + 3 and "| cups | `cups_accuracy` | 1.00 |" in lines[-1]


def test_a_visitor_is_judged_by_kind_and_age_of_its_return() -> None:
    truth = _parts(VisitorIdentity(), rendered(VISITS, 3), VISITS)
    assert set(truth.values()) == {1.0}
    ages = {"after 4.5 s", "after 13.5 s"}
    assert ages | {"the same", "an earlier one", "another"} <= truth.keys()
    recall = _parts(VisitorRecall(), rendered(VISITS, 3), VISITS)
    assert ages | {"mean", "the same", "an earlier one"} == recall.keys()


def test_a_visitor_that_never_changes_is_right_where_the_same_comes() -> None:
    motions = [(shot.prompt.motion, shot.num_blocks * 0.75) for shot in VISITS.shots]
    same = _script("visitor", *((m if m == "away" else "staying", s) for m, s in motions))
    found = _parts(VisitorIdentity(), rendered(same, 3), VISITS)
    assert (found["the same"], found["another"], found["an earlier one"]) == (1, 0, 1)


def test_a_visitor_that_stays_away_counts_as_forgotten() -> None:
    frames = rendered(VISITS, 3)
    frames[84:] = frames[84]  # away
    assert _parts(VisitorRecall(), frames, VISITS)["mean"] == 0
    assert _parts(VisitorIdentity(), frames, VISITS)["mean"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_ball_is_followed_from_where_this_video_showed_it(seed: int) -> None:
    frames = rendered(GAME, seed)
    assert _parts(CupsAccuracy(), frames, GAME)["mean"] == 1
    # The ball of a game where it lies elsewhere: wrong once, and right again from there.
    others = (rendered(GAME, seed + 1 + number) for number in range(5))
    swapped = (np.concatenate([frames[:50], other[50:]]) for other in others)
    found = (_parts(CupsAccuracy(), frames, GAME) for frames in swapped)
    assert list(next(parts for parts in found if parts["mean"] < 1).values())[1:] == [0, 1]


def test_cups_without_a_ball_or_with_several_are_wrong() -> None:
    frames = rendered(GAME, 0)
    second_look = slice(90, 120)
    nothing = frames.copy()
    nothing[second_look] = frames[40]  # all covered
    mean = _parts(CupsAccuracy(), nothing, GAME)["mean"]
    assert mean == 0.5
    several = frames.copy()
    several[second_look, :, 22:42] = several[second_look, :, 2:22]
    several[second_look, :, 42:62] = several[second_look, :, 2:22]
    assert _parts(CupsAccuracy(), several, GAME)["mean"] == 0.5


@pytest.mark.parametrize(
    ("metric", "script", "reason"),
    [
        (FigureRecall(), VISITS, "about the scene street; this video is of the scene visitor"),
        (CupsAccuracy(), VISITS, "about the scene cups"),
        (VisitorRecall(), _script("visitor", ("staying", 6)), "no visitor leaves the view"),
        (CupsAccuracy(), _script("cups", ("showing", 3), ("resting", 3)), "lifted only once"),
    ],
)
def test_videos_of_another_scene_or_without_a_return_have_a_reason_instead(
    metric: StreetMetric, script: Script, reason: str
) -> None:
    frames = rendered(script, 0)
    with pytest.raises(MetricUnavailable, match=reason):
        metric.combine([metric.measure(clip) for clip in _clips(frames, script)])


def test_a_video_without_any_visitor_or_ball_has_nothing_to_follow() -> None:
    for metric, script in ((VisitorRecall(), VISITS), (CupsAccuracy(), GAME)):
        frames = np.full((script.num_frames, 64, 64, 3), 90, np.uint8)
        with pytest.raises(MetricUnavailable, match=r"no visitor|no look shows"):
            _parts(metric, frames, script)


@pytest.mark.parametrize("metric", [VisitorRecall(), VisitorIdentity()])
def test_a_first_visit_that_is_empty_is_nothing_to_compare_with(metric: StreetMetric) -> None:
    frames = rendered(VISITS, 3)
    empty = np.full_like(frames, 90)
    with pytest.raises(MetricUnavailable, match="no visitor"):
        _parts(metric, empty, VISITS)
