from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.store.frames import load_sweep
from reports.papers.latex import escape_latex, latex, write_latex_tables
from reports.tables.comparison import compare, compare_all
from reports.tables.table import Comparison


@pytest.fixture
def written(pristine_store: Path, tmp_path: Path) -> dict[str, str]:
    paths = write_latex_tables(compare_all(load_sweep(pristine_store)), tmp_path)
    return {path.stem: path.read_text() for path in paths}


@pytest.fixture
def comparison(pristine_store: Path) -> Comparison:
    return compare(load_sweep(pristine_store), "offline", 30.0)


def test_main_table_has_all_rows_of_all_lengths(written: dict[str, str]) -> None:
    table = written["main_table_offline"]
    assert r"tiny\_short & sliding\_window & 1.75 &" in table
    assert "& 0.850 &" in table and "& 0.725 &" in table and "textbf" not in table
    assert table.count("rag layout=aged &") == 4
    assert r"random$^\dagger$" in table
    assert "These are not VBench scores" in table
    assert [r"\textit{30 s}" in table, r"\textit{60 s}" in table] == [True, True]


def test_ablation_table_is_of_differences_to_the_baseline(written: dict[str, str]) -> None:
    table = written["ablation_table_offline"]
    assert r"\textit{tiny\_short, 30 s}" in table
    assert r"sliding\_window & 0.800 & 1.000 & -- & -- \\" in table
    assert r"rag layout=aged & $+0.050$ & $+2.000$ & -- & -- \\" in table
    assert table.index(r"sliding\_window &") < table.index("random &")


def test_every_line_has_the_columns_of_its_tabular(written: dict[str, str]) -> None:
    for text in written.values():
        lines = [line for line in text.splitlines() if " & " in line]
        assert len({line.count(" & ") for line in lines}) == 1
        assert text.count("{") == text.count("}")
        assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


def test_latex_is_booktabs_with_errors(comparison: Comparison) -> None:
    table = latex(comparison)
    assert r"\toprule" in table
    assert table.count(r"\midrule") == 2
    line = r"rag layout=aged & 2.00 & 0.850 $\pm$ 0.050 & 3.000 $\pm$ 0.050 & --"
    assert line in table
    assert r"random$^\dagger$" in table
    assert r"sliding\_window" in table


def test_latex_lines_have_the_same_number_of_columns(comparison: Comparison) -> None:
    rows = [line for line in latex(comparison).splitlines() if " & " in line]
    assert len(rows) == 1 + len(comparison.rows)
    assert {line.count(" & ") for line in rows} == {5}


def test_escape_latex() -> None:
    assert escape_latex("a_b & 50% {x} #1 $y$ ~ ^ \\z") == (
        r"a\_b \& 50\% \{x\} \#1 \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_characters_that_stop_latex_are_written_as_numbers() -> None:
    assert escape_latex("a\N{GRINNING FACE}\x1bé") == "aU+1F600U+001Bé"


@given(st.text())
def test_escaped_latex_has_no_active_character(label: str) -> None:
    bare = escape_latex(label)
    for name in ("backslash", "asciitilde", "asciicircum", "less", "greater", "bar", "quotedbl"):
        bare = bare.replace(f"\\text{name}{{}}", "")
    for bracket in "[]":
        bare = bare.replace(f"{{{bracket}}}", "")
    for special in "&%$#_{}":
        bare = bare.replace(f"\\{special}", "")
    assert not set(bare) & set('&%$#_{}[]|"\\~^<>\n\r\0')
