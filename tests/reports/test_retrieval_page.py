from __future__ import annotations

from pathlib import Path

import pytest

from eval.retrieval import Query, Searched, measure
from reports.retrieval_page import per_video, summarise, tables, write_retrieval


def searched(searcher: str, frames: dict[str, tuple[int, ...]]) -> list[Searched]:
    query = Query(30, range(0, 20))
    return [
        Searched(video, "world", searcher, "", (measure(query, found, None, None, None, 2),))
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
    assert (line["difference"], line["difference_low"], line["difference_high"]) == (2, 2, 2)
    assert summary.loc[("two", "recall"), "num_videos"] == 0
    shown = tables(summarise(per_video(everything)))
    assert list(shown) == [
        "world (6 videos)",
        "world: difference to one, video by video",
    ]
    page = write_retrieval(tmp_path, per_video(everything), {}, [], ["<note>"])
    assert "&lt;note&gt;" in page.read_text()
    assert "+2 [+2, +2]" in (tmp_path / "retrieval.md").read_text()


def test_nothing_searched_is_an_empty_page(tmp_path: Path) -> None:
    assert tables(summarise(per_video([]))) == {}
    with pytest.raises(FileNotFoundError):
        (tmp_path / "retrieval.md").read_text()
    write_retrieval(tmp_path, per_video([]), {}, [], [])
    assert (tmp_path / "retrieval.md").read_text()
