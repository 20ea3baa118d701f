from __future__ import annotations

from typing import Any

import pytest

from eval.scoring.results import Scores
from eval.vbench_long.dataset import (
    DIMENSIONS,
    VideoClips,
    official_mean,
    official_names,
    score_dataset,
)
from eval.vbench_long.final_scores import QUALITY, final_scores
from eval.vbench_long.fusion import fuse
from harness.core.typed_files import from_plain


def video(
    name: str, *scores: float | None, mapped: float | None = None, pairs: int = 31
) -> VideoClips:
    known = [score for score in scores if score is not None]
    number = sum(known) / len(known) if len(known) == len(scores) else None
    return VideoClips(name, scores, (pairs,) * len(scores), number, mapped, None)


def test_official_mean_weights_videos_by_their_clips() -> None:
    videos = [video("a-0", 0.2, 0.4, 0.6), video("b-0", 1.0)]
    assert official_mean("aesthetic_quality", videos) == pytest.approx(2.2 / 4)


def test_official_fusion_is_per_clip_and_a_single_clip_keeps_its_own_score() -> None:
    videos = [video("a-0", 0.8, 0.6, mapped=0.9), video("b-0", 1.0)]
    expected = (fuse(0.8, 0.9) + fuse(0.6, 0.9) + 1.0) / 3
    assert official_mean("subject_consistency", videos) == pytest.approx(expected)


def test_official_names_are_cut_at_the_first_underscore() -> None:
    cut = video("a_red_ball-0", 0.8, 0.6, mapped=0.9)
    other = video("b-0", 0.5, 0.5, mapped=0.7)
    # "a_red_ball-0" looks for "a", which is not a video: its clips are not fused.
    fused = 2 * fuse(0.5, 0.7)
    assert official_mean("subject_consistency", [cut, other]) == pytest.approx(
        (0.8 + 0.6 + fused) / 4
    )
    # A video called "a" lends it its own score.
    lender = video("a", 0.5, 0.5, mapped=0.2)
    expected = (fuse(0.8, 0.2) + fuse(0.6, 0.2) + 2 * fuse(0.5, 0.2)) / 4
    assert official_mean("subject_consistency", [cut, lender]) == pytest.approx(expected)


def test_without_openings_subject_is_averaged_over_pairs_and_background_over_clips() -> None:
    videos = [video("a-0", 0.8, pairs=31), video("b-0", 0.2, pairs=10)]
    by_pairs = (31 * 0.8 + 10 * 0.2) / 41
    assert official_mean("subject_consistency", videos) == pytest.approx(by_pairs)
    assert official_mean("background_consistency", videos) == pytest.approx(0.5)


def test_missing_clip_score_makes_the_number_missing() -> None:
    assert official_mean("aesthetic_quality", [video("a-0", 0.2, None)]) is None
    assert official_mean("aesthetic_quality", []) is None


def content(prompt: str, scores: list[float], official: list[float] | None = None) -> Any:
    clips = [
        {"start_frame": 32 * i, "end_frame": 32 * i + 32, "start_s": 2.0 * i, "end_s": 2.0 * i + 2}
        | {"sha256": "0"}
        for i in range(len(scores))
    ]
    mean = sum(scores) / len(scores)
    info = {"name": "m", "title": "M", "direction": "higher", "unit": "", "description": ""}
    metric = {
        "info": info,
        "curve": None,
        "clip_scores": scores,
        "official_clip_scores": official,
        "durations": {"4": mean},
        "parts": {"4": {"mapped": 0.9}},
        "reason": None,
    }
    return {
        "suite": "vbench_long",
        "suite_version": "1",
        "unit_id": prompt,
        "video_sha256": "0" * 64,
        "fps": 16,
        "not_set_up": [],
        "timings_s": {},
        "prompt": prompt,
        "clips": clips,
        "durations": {"4": {"num_frames": 64, "clips": list(range(len(scores)))}},
        "metrics": dict.fromkeys(DIMENSIONS, metric),
    }


def typed(files: list[Any]) -> list[Scores]:
    return [from_plain(file, Scores, "scores") for file in files]


def test_official_and_per_video_numbers_are_both_given() -> None:
    files = [content("a", [0.2, 0.4], [0.1, 0.1]), content("b", [1.0], [0.9])]
    scores = score_dataset(typed(files), "4")
    overall = scores["overall_consistency"]
    assert overall.official == pytest.approx((0.1 + 0.1 + 0.9) / 3)
    assert overall.per_video == pytest.approx((0.3 + 1.0) / 2)
    assert (overall.num_videos, overall.num_clips) == (2, 3)


def test_every_sample_of_a_prompt_is_fused_with_its_own_mapped_score() -> None:
    assert official_names(["a", "b", "a"]) == ["a-0", "b-0", "a-1"]
    files = [content("a", [0.2, 0.4]), content("a", [0.6, 0.8])]
    for file, mapped in zip(files, (0.9, 0.1), strict=True):
        metric = file["metrics"]["subject_consistency"] | {"parts": {"4": {"mapped": mapped}}}
        file["metrics"] = {**file["metrics"], "subject_consistency": metric}
    expected = (fuse(0.2, 0.9) + fuse(0.4, 0.9) + fuse(0.6, 0.1) + fuse(0.8, 0.1)) / 4
    assert score_dataset(typed(files), "4")["subject_consistency"].official == pytest.approx(
        expected
    )


def test_a_video_without_a_number_leaves_the_row_without_one_and_says_why() -> None:
    files = [content("a", [0.2]), content("b", [0.4])]
    files[1]["metrics"] = {
        **files[1]["metrics"],
        "imaging_quality": files[1]["metrics"]["imaging_quality"]
        | {
            "clip_scores": None,
            "official_clip_scores": None,
            "durations": {"4": None},
            "reason": "weights missing",
        },
    }
    imaging = score_dataset(typed(files), "4")["imaging_quality"]
    assert (imaging.official, imaging.per_video) == (None, None)
    assert imaging.reasons == ("weights missing",)


ALL = dict.fromkeys(QUALITY, 0.9)


def test_quality_is_the_official_weighted_mean() -> None:
    normalised = {
        "subject_consistency": (0.9 - 0.1462) / (1 - 0.1462),
        "background_consistency": (0.9 - 0.2615) / (1 - 0.2615),
        "temporal_flickering": (0.9 - 0.6293) / (1 - 0.6293),
        "motion_smoothness": (0.9 - 0.706) / (0.9975 - 0.706),
        "aesthetic_quality": 0.9,
        "imaging_quality": 0.9,
    }
    expected = (sum(normalised.values()) + 0.5 * 0.9) / 6.5
    final = final_scores(ALL)
    assert final.quality == pytest.approx(expected)
    assert final.official_zero_filled["quality"] == pytest.approx(expected)
    # Eight semantic dimensions are missing, and that is not a zero.
    assert (final.semantic, final.total) == (None, None)
    zero_style = (0 - 0.0009) / (0.2855 - 0.0009)
    assert final.official_zero_filled["semantic"] == pytest.approx(zero_style / 9)
    assert final.official_zero_filled["total"] == pytest.approx((4 * expected + zero_style / 9) / 5)


def test_missing_dimension_is_reported_not_counted_as_zero() -> None:
    final = final_scores(ALL | {"motion_smoothness": None})
    assert final.quality is None
    assert "motion_smoothness" in final.missing and "imaging_quality" not in final.missing
    assert "motion_smoothness" not in final.normalised
    zero = (0 - 0.706) / (0.9975 - 0.706)
    full = final_scores(ALL).official_zero_filled["quality"]
    lost = final_scores(ALL).normalised["motion_smoothness"] - zero
    assert final.official_zero_filled["quality"] == pytest.approx(full - lost / 6.5)
