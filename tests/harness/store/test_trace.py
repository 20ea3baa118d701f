from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.store.files import Reader
from harness.store.trace import latent_start_s, retrieval_lines, rope_scheme


def write_trace(root: Path, *lines: object) -> Reader:
    folder = root / "units" / "u"
    folder.mkdir(parents=True)
    (folder / "trace.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return Reader(root)


def plan(block: int, **changes: object) -> dict:
    return {
        "block": block,
        "first_frame": 3 * block,
        "frames": [0, 5, 16, 17],
        "positions": [0, 0, 7, 8],
        "query_positions": [9, 10, 11],
        "roles": ["sink", "memory", "local", "local"],
        "scores": [0.5],
    } | changes


def test_latent_frames_begin_where_the_causal_decoder_puts_them() -> None:
    assert latent_start_s(0, 120, 477, 16) == 0.0
    assert latent_start_s(1, 120, 477, 16) == 1 / 16
    assert latent_start_s(119, 120, 477, 16) == 473 / 16


def test_only_memory_frames_are_kept(tmp_path: Path) -> None:
    lines = retrieval_lines(write_trace(tmp_path, plan(6)), "u", 120, 477, 16)
    assert lines == [(6, 69 / 16, 17 / 16, 0.5)]


def test_strategy_without_scores(tmp_path: Path) -> None:
    reader = write_trace(tmp_path, plan(6, scores=None))
    assert retrieval_lines(reader, "u", 120, 477, 16) == [(6, 69 / 16, 17 / 16, None)]


def test_bad_line_is_named_and_left_out(tmp_path: Path) -> None:
    reader = write_trace(tmp_path, plan(6, scores=[0.1, 0.2]), plan(7))
    assert [line[0] for line in retrieval_lines(reader, "u", 120, 477, 16)] == [7]
    assert reader.warnings[0].startswith(
        "units/u/trace.jsonl: line 1: there isn't one score per memory frame"
    )


def test_missing_trace_is_named(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert retrieval_lines(reader, "u", 120, 477, 16) == []
    assert reader.warnings == ["units/u/trace.jsonl: missing; its retrieval map is left out."]


@pytest.mark.parametrize(
    ("first_frame", "frames", "query", "scheme"),
    [
        (0, [], 0, None),
        (9, list(range(9)), 9, None),  # all of the past is in view: both count alike
        (12, [0, *range(4, 12)], 9, "relative"),
        (12, [0, *range(4, 12)], 12, "absolute"),
    ],
)
def test_the_scheme_of_positions_is_told_where_it_makes_a_difference(
    tmp_path: Path, first_frame: int, frames: list[int], query: int, scheme: str | None
) -> None:
    line = {"block": 3, "first_frame": first_frame, "frames": frames, "positions": frames}
    line |= {"query_positions": [query, query + 1, query + 2], "roles": ["local"] * len(frames)}
    path = tmp_path / "trace.jsonl"
    path.write_text(json.dumps(line | {"scores": None}) + "\n")
    assert rope_scheme(path) == scheme
