from __future__ import annotations

import math

import numpy as np
import pytest

from eval.retrieval.drift_relation import (
    Curve,
    RetrievedBlock,
    change_after,
    rank_correlation,
    relate,
)
from eval.retrieval.measures import (
    Query,
    coverage,
    means,
    measure,
    oracle_frames,
    random_frames,
    redundancy,
    search,
)

QUERY = Query(20, range(2, 12))


def gains(**relevant: float) -> np.ndarray:
    array = np.zeros(30)
    for frame, gain in relevant.items():
        array[int(frame[1:])] = gain
    return array


def judge(frames: tuple[int, ...], about: np.ndarray, count: int = 4) -> dict[str, float | None]:
    return dict(measure(QUERY, frames, None, about, None, count).measures)


def test_measures_of_one_query_by_hand() -> None:
    about = gains(
        f3=1.0, f5=0.8, f9=0.75, f10=0.7, f25=1.0
    )  # 10 is below the threshold, 25 no candidate
    found = judge((5, 4, 3, 10), about)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 4)
    best = 1.0 + 0.8 / math.log2(3) + 0.75 / 2
    assert found["ndcg"] == pytest.approx((0.8 + 1.0 / 2) / best)
    assert found["age_latents"] == pytest.approx(20 - 22 / 4)


def test_recall_is_relative_to_what_the_places_can_hold() -> None:
    about = gains(**{f"f{frame}": 1.0 for frame in range(2, 12)})
    assert judge((2, 3), about, count=2)["recall"] == 1.0


def test_a_query_without_relevant_candidates_has_no_recall() -> None:
    found = judge((2, 3), gains(f25=1.0))
    assert found["recall"] is found["precision"] is found["ndcg"] is None
    assert found["duplicates"] == 1.0


def test_margin_is_the_gap_of_mean_cosines() -> None:
    cosines = np.linspace(0, 0.9, 10)
    about = gains(f11=1.0, f10=1.0)
    result = measure(QUERY, (11,), (0.9,), about, cosines, 1)
    assert result.measures["margin"] == pytest.approx(0.85 - np.mean(cosines[:8]))


def test_duplicates_and_spread() -> None:
    assert redundancy((3, 5, 20)) == {
        "duplicates": pytest.approx(2 / 3),
        "spread_latents": pytest.approx((2 + 17 + 15) / 3),
    }
    assert redundancy((3,)) == {"duplicates": None, "spread_latents": None}


def test_search_is_stable_and_returns_only_candidates() -> None:
    vectors = np.ones((30, 2)) / 2**0.5
    assert search(vectors, QUERY, 3)[0] == (2, 3, 4)
    vectors[7] = (1, 0)
    vectors[20] = (1, 0)
    assert search(vectors, QUERY, 1) == ((7,), (1.0,))


def test_controls_return_only_candidates() -> None:
    assert oracle_frames(gains(f4=0.2, f6=1.0, f25=1.0), QUERY, 2) == (6, 4)
    drawn = random_frames(QUERY, 4, "a")
    assert drawn == random_frames(QUERY, 4, "a")
    assert set(drawn) <= set(QUERY.candidates)
    assert sorted(random_frames(Query(20, range(2, 4)), 6, "a")) == [2, 3]
    firsts = {random_frames(QUERY, 4, str(seed))[0] for seed in range(100)}
    assert firsts == set(QUERY.candidates), "the best place is no older than the others"


def test_means_leave_out_what_does_not_apply() -> None:
    about = gains(f3=1.0)
    results = [
        measure(QUERY, (3, 9), None, about, None, 2),
        measure(Query(23, range(4, 15)), (4,), None, about, None, 2),
    ]
    found = means(results)
    assert found["recall"] == 1.0
    assert coverage(results) == found["coverage"] == pytest.approx(3 / 13)
    assert coverage([]) is None


def test_coverage_of_several_rounds_is_that_of_one() -> None:
    one, other = (measure(QUERY, frames, None, None, None, 2) for frames in ((3, 9), (4, 5)))
    assert means([one, other])["coverage"] == pytest.approx(0.4)
    assert means([one, other], num_rounds=2)["coverage"] == pytest.approx(0.2)


def curve(values: list[float], sign: int = 1) -> Curve:
    start = np.arange(len(values)) * 2.0
    return Curve(start, start + 2, np.array(values), sign)


def test_change_compares_the_next_seconds_with_the_clip_before() -> None:
    assert change_after(curve([1, 2, 4, 6, 9]), 4.0) == pytest.approx((4 + 6) / 2 - 2)
    assert change_after(curve([1, 2, 4, 6, 9], sign=-1), 4.0) == pytest.approx(-3)
    assert change_after(curve([1, 2]), 4.0) is None
    assert change_after(curve([1, 2]), 0.0) is None


def test_rank_correlation_of_known_orders() -> None:
    assert rank_correlation([1, 2, 3, 9], [2, 4, 6, 7]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 1, 1], [3, 2, 1]) is None
    # Ties share the mean rank: ranks 0.5 0.5 2 against 0 1 2.
    assert rank_correlation([1, 1, 3], [1, 2, 3]) == pytest.approx(0.8660254)


def test_an_existing_relation_is_found_and_a_missing_one_has_a_reason() -> None:
    generator = np.random.default_rng(0)
    videos = []
    for prompt in range(6):
        values = generator.normal(size=30).cumsum()
        line = curve(list(values))
        blocks = []
        for number in range(1, 26):
            change = change_after(line, 2.0 * number)
            assert change is not None
            blocks.append(RetrievedBlock(2.0 * number, 8 * number, (1, 5), (change, change)))
        videos.append((prompt, blocks, line))
    relation = relate(videos, "similarity")
    assert relation.mean == pytest.approx(1)
    assert relation.num_videos == 6
    assert relate(videos, "duplicates").reason is not None
