from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from backbones.world.grammar import SLOTS
from eval.metric import ClipMeasure, Direction, MetricUnavailable
from eval.recall.world_metrics import LandError, SkyError, SubjectColorError, SubjectShapeError

pytestmark = pytest.mark.slow

METRICS = {
    "sky": SkyError(),
    "land": LandError(),
    "color": SubjectColorError(),
    "shape": SubjectShapeError(),
}
# Largest 95th percentile over scenes: of exact frames, and of slightly blurred ones.
BOUNDS = {
    "sky": (0.002, 0.003),
    "land": (0.002, 0.003),
    "color": (0.015, 0.05),
    "shape": (0.1, 0.15),
}
# Smallest mean with one wrong word.
WRONG_MEANS = {"sky": 0.25, "land": 0.15, "color": 0.15, "shape": 0.3}


def score(name, clip):
    return METRICS[name].measure(clip).score


def with_wrong_word(prompt, slot, index):
    """The prompt with another word in one slot; `index` chooses which."""
    words = [word for word in SLOTS[slot] if word != getattr(prompt, slot)]
    if slot == "color":
        words = [word for word in words if f"{word}ish" != prompt.second_color]
    return replace(prompt, **{slot: words[index % len(words)]})


def blurred(sigma_px):
    return lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma_px) if sigma_px else frame


def desaturated(share):
    def change(frame):
        grey = frame.mean(-1, keepdims=True)
        return np.rint(frame * (1 - share) + grey * share).astype(np.uint8)

    return change


def noisy(sigma):
    def change(frame):
        noise = np.random.default_rng(0).normal(0, sigma, frame.shape)
        return np.rint(frame + noise).clip(0, 255).astype(np.uint8)

    return change


@pytest.fixture(scope="module", params=METRICS)
def errors(request, world_clips, changed):
    """Name of a metric, and its errors of the exact and of the slightly blurred clips."""
    name = request.param
    soft_clips = [changed(clip, blurred(0.7)) for _, clip in world_clips]
    exact = [score(name, clip) for _, clip in world_clips]
    return name, exact, [score(name, clip) for clip in soft_clips]


def test_errors_of_exact_and_of_slightly_blurred_frames_are_small(errors):
    name, exact, soft = errors
    assert np.percentile(exact, 95) < BOUNDS[name][0]
    assert np.percentile(soft, 95) < BOUNDS[name][1]


def test_a_wrong_word_of_the_prompt_raises_the_error(errors, world_clips, changed):
    name, right, right_soft = errors
    wrong, wrong_soft = [], []
    for index, (prompt, clip) in enumerate(world_clips):
        other = replace(clip, prompt=str(with_wrong_word(prompt, name, index)))
        wrong.append(score(name, other))
        wrong_soft.append(score(name, changed(other, blurred(0.7))))
    assert np.mean(wrong) > WRONG_MEANS[name]
    assert np.mean(np.array(right) < np.array(wrong)) >= 0.95
    assert np.mean(np.array(right_soft) < np.array(wrong_soft)) >= 0.95


@pytest.mark.parametrize(
    ("damage", "levels"),
    [(noisy, (0, 10, 30)), (blurred, (0, 1, 2)), (desaturated, (0, 0.4, 0.8))],
    ids=["noise", "blur", "desaturation"],
)
def test_color_error_grows_with_the_damage(damage, levels, world_clips, changed):
    means = [
        np.mean([score("color", changed(clip, damage(level))) for _, clip in world_clips[:12]])
        for level in levels
    ]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.03


def test_a_frame_without_subject_has_the_largest_shape_error(world_clips, changed):
    for prompt, clip in world_clips[:12]:
        empty = changed(clip, lambda frame: np.full_like(frame, 128))
        assert score("shape", empty) > 0.9, str(prompt)


def test_shape_error_does_not_depend_on_the_color_of_the_land(world_clips, changed):
    """Painting what lies far from the subject changes neither subject error."""

    def paint_bottom(frame):
        frame = frame.copy()
        frame[126:] = (255, 0, 255)
        return frame

    _, clip = world_clips[0]
    painted = changed(clip, paint_bottom)
    assert score("land", painted) > score("land", clip) + 0.05
    for name in ("sky", "color", "shape"):
        assert score(name, painted) == pytest.approx(score(name, clip), abs=1e-3)


@pytest.mark.parametrize("name", METRICS)
def test_a_prompt_outside_the_grammar_makes_the_metric_unavailable(name, world_clips):
    _, clip = world_clips[0]
    with pytest.raises(MetricUnavailable, match=r"needs a prompt of the tiny world: .*slot 1"):
        score(name, replace(clip, prompt="A cat walks on grass"))


@pytest.mark.parametrize("name", METRICS)
def test_other_frame_sizes_make_the_metric_unavailable(name, world_clips):
    _, clip = world_clips[0]
    small = replace(clip, frames_FHWC=clip.frames_FHWC[:, :64])
    with pytest.raises(MetricUnavailable, match=r"needs 128x128 frames .* got 128x64"):
        score(name, small)


@pytest.mark.parametrize("num_frames", [1, 2, 32])
def test_clips_of_any_length_are_measured(num_frames, world_clips):
    _, clip = world_clips[0]
    still = replace(clip, frames_FHWC=np.repeat(clip.frames_FHWC[:1], num_frames, axis=0))
    for name in METRICS:
        assert 0 <= score(name, still) < BOUNDS[name][1]


def test_metrics_are_described_and_average_over_clips():
    for metric in METRICS.values():
        assert metric.info.direction is Direction.lower
        assert metric.info.name in {
            "sky_error", "land_error", "subject_color_error", "subject_shape_error",
        }  # fmt: skip
        measures = [ClipMeasure(0.1), ClipMeasure(0.3)]
        assert metric.combine(measures) == pytest.approx(0.2)
        assert metric.curve(measures) == [0.1, 0.3]
