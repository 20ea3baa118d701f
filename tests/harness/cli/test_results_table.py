from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.results_table import print_results
from harness.cli.sweep_story import item_label
from harness.cli.terminal import Terminal
from harness.store.frames import load_sweeps
from reports.tables.comparison import compare_all
from reports.tables.table import Comparison
from tests.reports.experiment import make_store

PROMPTS = "abcdefghijkl"


def printed(folder: Path, rows: dict[str, dict[str, float]]) -> str:
    return print_to_text(compare_all(load_sweeps([make_store(folder, rows)])))


def print_to_text(comparisons: Sequence[Comparison]) -> str:
    out = io.StringIO()
    print_results(comparisons, Terminal(Console(file=out, width=100)))
    return out.getvalue()


def test_a_difference_beyond_doubt_is_marked_and_means_have_intervals(tmp_path: Path) -> None:
    base = {prompt: 0.1 * number for number, prompt in enumerate(PROMPTS)}
    better = {prompt: value + 1 + 0.01 * value for prompt, value in base.items()}
    text = printed(tmp_path / "main", {"sliding_window": base, "rag": better})
    assert "offline, 3 s" in text
    assert "Sky ↑" in text
    assert "1.56**" in text and "0.55 " in text
    assert " to " in text and "Below a mean: its 95 % interval over prompts, or" in text
    assert (
        "Differs from sliding_window, by tests over the whole table: * at 5 %, ** at 1 %." in text
    )
    assert "12/12" in text


def test_too_few_prompts_say_how_many_would_do(tmp_path: Path) -> None:
    text = printed(
        tmp_path / "main", {"sliding_window": {"a": 0.0, "b": 1.0}, "rag": {"a": 2.0, "b": 2.5}}
    )
    assert (
        "2 prompts cannot distinguish any difference from noise; at least 6 can: prompts.num=6"
        in text
    )
    assert "*" not in text


def test_metrics_without_values_share_the_line_of_their_reason(tmp_path: Path) -> None:
    folder = make_store(tmp_path / "main", {"rag": {"a": 0.0}, "lag": {"a": 0.0}})
    (comparison,) = compare_all(load_sweeps([folder]))
    (sky,) = comparison.metrics
    lacking = [replace(sky, name=name, title=name.title()) for name in ("fog", "rain")]
    for row in comparison.rows:
        cell = replace(row.cells["sky"], mean=None, interval=None, versus=None, reason="too dark")
        row.cells.update(dict.fromkeys(("fog", "rain"), cell))
    text = print_to_text([replace(comparison, metrics=(sky, *lacking))])
    assert text.count("too dark") == 1 and "no value: Fog, Rain: too dark" in text
    assert "more metric" not in text, "they are not on the page either"


def test_a_mean_over_fewer_prompts_says_so_and_a_reason_names_its_rows(tmp_path: Path) -> None:
    base = {prompt: 0.1 * number for number, prompt in enumerate("abc")}
    folder = make_store(tmp_path / "main", {"rag": base, "lag": base})
    (comparison,) = compare_all(load_sweeps([folder]))
    rag, lag = comparison.rows
    rag.cells["sky"] = replace(rag.cells["sky"], num_prompts=2, reason="too dark")
    lag.cells["sky"] = replace(lag.cells["sky"], mean=None, interval=None, reason="lost")
    text = print_to_text([comparison])
    assert text.count("2 of 3 prompts") == 1
    assert f"some videos have no value for {rag.method} on tiny: Sky: too dark" in text
    assert f"no value for {lag.method} on tiny: Sky: lost" in text


def test_a_failure_is_named_by_row_and_prompt() -> None:
    labels = {"u1": "street | rag | street/3"}
    assert item_label("u1", labels) == "street | rag | street/3"
    assert item_label("offline:u1", labels) == "offline | street | rag | street/3"


def test_json_has_null_for_nan_and_refuses_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=True)
    terminal.print_json({"rows": [{"a": float("nan")}, (1.5,)]})
    assert json.loads(capsys.readouterr().out) == {"rows": [{"a": None}, [1.5]]}
    with pytest.raises(ValueError, match="JSON"):
        terminal.print_json([float("inf")])
