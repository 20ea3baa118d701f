from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest

from backbones.world.street.prompt import StreetPrompt
from backbones.world.street.render import render
from backbones.world.street.scene import draw_street
from backbones.world.street.script import FPS, GAP_PX, Script, Shot
from eval.clip import ScoredSegment
from eval.metric import Clip, Combined, MetricUnavailable
from eval.recall.street_recall import FEWEST_EDGES, FigureIdentity, FigureRecall, PlaceRecall
from eval.recall.street_visits import edges, visits_of

CLIP_FRAMES = 2 * FPS
PROMPT = "noon grassy four walking"
METRICS = (FigureRecall(), FigureIdentity(), PlaceRecall())


def video(prompt: str, seed: int, num_blocks: int = 40) -> np.ndarray:
    """Render the truth, [frame, height, width, 3] as uint8."""
    return rendered(Script((Shot(StreetPrompt.parse(prompt), num_blocks),)), seed)


def rendered(script: Script, seed: int) -> np.ndarray:
    frames = render(draw_street(script.num_figures, seed), script)
    return ((frames.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()


def clips(frames: np.ndarray, prompt: str) -> list[Clip]:
    starts = range(0, len(frames) - CLIP_FRAMES + 1, CLIP_FRAMES)
    return [Clip(frames[i : i + CLIP_FRAMES], i, FPS, prompt) for i in starts]


def scripted(seed: int, *shots: tuple[str, int]) -> list[Clip]:
    """Return the clips of a video with turns, each shot a motion (or sky, too) and its blocks."""
    script = Script(tuple(Shot(_prompt(words), blocks) for words, blocks in shots))
    starts = [0, *accumulate(shot.num_blocks * 12 for shot in script.shots)]
    segments = tuple(
        ScoredSegment(max(0, start - 3), str(shot.prompt))
        for start, shot in zip(starts, script.shots, strict=False)
    )
    return [replace(clip, segments=segments) for clip in clips(rendered(script, seed), "")]


def _prompt(words: str) -> StreetPrompt:
    sky, motion = words.split() if " " in words else ("noon", words)
    return StreetPrompt(sky, "grassy", "four", motion)


def score(metric: FigureRecall | PlaceRecall, frames: np.ndarray, prompt: str) -> Combined:
    return metric.combine([metric.measure(clip) for clip in clips(frames, prompt)])


def laps_of(prompts_seeds: Sequence[int]) -> np.ndarray:
    """A video whose every lap shows the figures of another street, at the same places."""
    lap = 4 * GAP_PX // 2
    start = draw_street(4, prompts_seeds[0]).start_px
    parts = []
    for number, seed in enumerate(prompts_seeds):
        shift = (start - draw_street(4, seed).start_px) % GAP_PX
        first = shift // 2 + number * lap
        num_blocks = -(-(first + lap + 3) // 12)  # 12 frames each, but for 3 of the first
        parts.append(video(PROMPT, seed, num_blocks)[first : first + lap])
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "prompt", [PROMPT, "night sandy three walking", "dusk snowy six returning"]
)
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.info.name)
def test_the_truth_is_remembered_at_every_age(prompt: str, metric: FigureRecall) -> None:
    result = score(metric, video(prompt, 5), prompt)
    assert result.value == pytest.approx(1, abs=0.02)
    lap_s = StreetPrompt.parse(prompt).num_figures * GAP_PX / 2 / FPS
    assert (
        list(result.parts)
        == [f"after {lap_s * n:g} s" for n in range(1, int(30 // lap_s) + 1)][: len(result.parts)]
    )


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.info.name)
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_of_a_walk_with_turns_is_remembered(metric: FigureRecall, seed: int) -> None:
    """Walking back and looking up bring things into view again at other times than a lap's."""
    shots = (("walking", 9), ("returning", 9), ("gazing", 5), ("strolling", 4), ("walking", 6))
    result = metric.combine([metric.measure(clip) for clip in scripted(seed, *shots)])
    assert result.value == pytest.approx(1, abs=0.02)
    assert len(result.parts) > 2


def test_a_figure_that_stays_in_view_does_not_return() -> None:
    """The camera goes on a little and back again: nothing was ever to be remembered."""
    shots = (("standing", 2), ("walking", 1), ("returning", 1))
    measures = [METRICS[0].measure(clip) for clip in scripted(0, *shots)]
    with pytest.raises(MetricUnavailable, match="nothing leaves the view and returns"):
        METRICS[0].combine(measures)


def test_visits_under_another_sky_are_not_compared() -> None:
    shots = (("walking", 10), ("night walking", 22), ("walking", 10))
    measures = [METRICS[0].measure(clip) for clip in scripted(1, *shots)]
    result = METRICS[0].combine(measures)
    assert result.value == pytest.approx(1, abs=0.02)
    assert set(result.parts) == {"after 24 s"}


def test_a_script_of_two_streets_has_a_reason_instead() -> None:
    segments = (ScoredSegment(0, PROMPT), ScoredSegment(21, PROMPT.replace("grassy", "sandy")))
    clip = replace(clips(video(PROMPT, 0, 4), PROMPT)[0], segments=segments)
    with pytest.raises(MetricUnavailable, match="cannot change its land on the way"):
        METRICS[0].measure(clip)


@pytest.mark.slow
def test_new_figures_in_every_lap_are_no_recall() -> None:
    videos = [laps_of((n, n + 100, n + 200)) for n in range(8)]
    values = [score(METRICS[0], frames, PROMPT).value for frames in videos]
    identities = [score(METRICS[1], frames, PROMPT).value for frames in videos]
    assert abs(np.mean(values)) < 0.1
    assert abs(np.mean(identities) - 1 / 4) < 0.12


@pytest.mark.slow
def test_a_half_faded_memory_lies_between() -> None:
    true, other = video(PROMPT, 3), laps_of([3, 103, 203, 303])
    num = min(len(true), len(other))
    faded = (true[:num] * 0.5 + other[:num] * 0.5).astype(np.uint8)
    faded[: 4 * GAP_PX // 2] = true[: 4 * GAP_PX // 2]
    assert 0.2 < score(METRICS[0], faded, PROMPT).value < 0.8


def test_a_figure_that_stays_away_counts_as_forgotten() -> None:
    frames, lap = video(PROMPT, 5), 4 * GAP_PX // 2
    empty = frames[lap:].mean(2, keepdims=True).astype(np.uint8)
    frames[lap:] = empty.repeat(frames.shape[2], 2)
    assert score(METRICS[0], frames, PROMPT).value == 0
    assert score(METRICS[1], frames, PROMPT).value == 0


def test_the_curve_begins_with_the_second_lap() -> None:
    measures = [METRICS[0].measure(clip) for clip in clips(video(PROMPT, 5), PROMPT)]
    curve = METRICS[0].curve(measures)
    assert len(curve) == len(measures)
    assert curve[:3] == [None] * 3
    assert all(value == pytest.approx(1, abs=0.02) for value in curve[5:-1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sky", ["noon", "night"])
def test_figures_are_found_where_they_stand(seed: int, sky: str) -> None:
    prompt = f"{sky} grassy four walking"
    measures = [METRICS[0].measure(clip) for clip in clips(video(prompt, seed), prompt)]
    figures, between = visits_of(measures), visits_of(measures, GAP_PX // 2)  # type: ignore[arg-type]
    assert min(edges(visit.view_HWC) for visit in figures.visits) > 1.5 * FEWEST_EDGES
    assert max(edges(visit.view_HWC) for visit in between.visits) < 0.8 * FEWEST_EDGES


@pytest.mark.parametrize(
    ("prompt", "num_blocks", "reason"),
    [
        ("a cat", 12, "needs a prompt of the street"),
        ("noon grassy four standing", 12, "nothing leaves the view and returns"),
        ("noon grassy six walking", 12, "a lap past 6 figures takes 12 s of walking"),
    ],
)
def test_videos_without_a_return_have_a_reason_instead(
    prompt: str, num_blocks: int, reason: str
) -> None:
    frames = video(PROMPT if "cat" in prompt else prompt, 1, num_blocks)
    with pytest.raises(MetricUnavailable, match=reason):
        score(METRICS[0], frames, prompt)


def test_a_video_without_figures_has_nothing_to_remember() -> None:
    frames = np.full((480, 64, 64, 3), 90, np.uint8)
    with pytest.raises(MetricUnavailable, match="show no figures"):
        score(METRICS[0], frames, PROMPT)
