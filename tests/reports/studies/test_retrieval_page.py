from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from eval.retrieval.drift_relation import PREDICTORS, Relation
from eval.retrieval.measures import Query, Searched, measure
from reports.studies.retrieval_page import per_video, summarise, tables, write_retrieval
from tests.reports.plain_pages import linked_beside_tables


def searched(
    searcher: str, frames: dict[str, tuple[int, ...]], kind: str = "world"
) -> list[Searched]:
    query = Query(30, range(0, 20))
    return [
        Searched(video, kind, searcher, "", (measure(query, found, None, None, None, 2),))
        for video, found in frames.items()
    ]


def test_means_and_paired_differences_to_the_first_searcher(tmp_path: Path) -> None:
    everything = [
        *searched("one", {name: (0, 4 + 2 * i) for i, name in enumerate("abcdef")}),
        *searched("two", {name: (0, 6 + 2 * i) for i, name in enumerate("abcdef")}),
    ]
    summary = summarise(per_video(everything)).set_index(["searcher", "measure"])
    line = summary.loc[("two", "spread_latents")]
    assert line["mean"] == 11
    assert line["num_videos"] == 6
    assert line["difference"] == 2
    # The same difference in every video gives no interval to trust.
    assert (line["difference_low"], line["difference_high"]) == (None, None)
    assert summary.loc[("two", "recall"), "num_videos"] == 0
    shown = tables(summarise(per_video(everything)))
    assert list(shown) == [
        "world (6 videos)",
        "world: difference to one, video by video",
    ]
    page = write_retrieval(tmp_path, per_video(everything), {}, [], ["<note>"])
    assert "&lt;note&gt;" in page.read_text()
    linked_beside_tables(page)
    assert "| +0 | +2 | -1 | +0 |" in (tmp_path / "retrieval.md").read_text()


def test_each_kind_is_compared_with_its_own_first_searcher() -> None:
    """An encoder may be left out of a kind of video."""
    frames = {name: (0, 4 + 2 * i) for i, name in enumerate("abcdef")}
    everything = [
        *searched("keys", frames),
        *searched("one", frames),
        *searched("one", frames, "pan"),
        *searched("two", frames, "pan"),
    ]
    summary = summarise(per_video(everything)).set_index(["kind", "searcher", "measure"])
    assert summary.loc[("world", "one", "spread_latents"), "difference"] == 0
    assert summary.loc[("pan", "two", "spread_latents"), "difference"] == 0
    assert pd.isna(summary.loc[("pan", "one", "spread_latents"), "difference"])
    assert "pan: difference to one, video by video" in tables(summarise(per_video(everything)))


def test_a_missing_correlation_has_a_reason(tmp_path: Path) -> None:
    relations = {
        (predictor, "sky"): Relation(None, None, 0, f"no video has {predictor}")
        for predictor in PREDICTORS
    }
    page = write_retrieval(tmp_path, per_video([]), relations, [], [])
    assert "No correlation: no video has spread_latents." in page.read_text()
    assert "No correlation: no video has similarity." in (tmp_path / "retrieval.md").read_text()


def test_nothing_searched_is_an_empty_page(tmp_path: Path) -> None:
    assert tables(summarise(per_video([]))) == {}
    with pytest.raises(FileNotFoundError):
        (tmp_path / "retrieval.md").read_text()
    write_retrieval(tmp_path, per_video([]), {}, [], [])
    assert (tmp_path / "retrieval.md").read_text()
