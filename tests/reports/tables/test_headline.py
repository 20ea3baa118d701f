"""The sentence that a report opens with, on sweeps of every kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval.metric import Kind
from harness.store.frames import Sweep, load_sweep
from reports.tables.comparison import compare, compare_all
from reports.tables.headline import headline
from reports.tables.sentence import listed, sentence
from tests.reports.more_prompts import more_prompts

RAG, WINDOW, RANDOM = "rag layout=aged", "sliding_window", "random"
NUMBER = "\N{MINUS SIGN}?\\d\\.\\d+"
INTERVAL = rf"{NUMBER} \({NUMBER} to {NUMBER}\)"


@pytest.fixture
def small(pristine_store: Path) -> Sweep:
    """One backbone, one length, no row called random."""
    sweep = load_sweep(pristine_store)
    units = sweep.units[sweep.units["backbone"] == "tiny_short"]
    units = units.assign(method=units["method"].astype("str").replace(RANDOM, "uniform"))
    scores = sweep.scores[sweep.scores["unit_id"].isin(units["unit_id"])]
    return replace(sweep, units=units, scores=scores[scores["duration_s"] == 30])


def valued(sweep: Sweep, gains: Mapping[str, float], wobble: float = 0.05) -> Sweep:
    """The sweep with 12 prompts and these gains on "subject", different from prompt to prompt."""
    many = more_prompts(sweep, 4)
    units = many.units[["unit_id", "method", "prompt_id"]]
    scores = many.scores.merge(units, on="unit_id")
    number = scores["prompt_id"].factorize()[0]
    phase = scores["method"].map({method: 1 + i for i, method in enumerate(gains)}).fillna(0)
    own = wobble * np.sin(2.3 * number * phase)
    made = 0.5 + 0.01 * number + scores["method"].map(gains).fillna(0) + own
    values = scores["value"].mask(scores["metric"] == "subject", made)
    return replace(many, scores=scores.assign(value=values)[many.scores.columns])


def said(sweep: Sweep) -> str:
    return headline(sweep, compare_all(sweep)).text


def test_the_best_beyond_doubt_is_named_with_the_interval_of_the_table(small: Sweep) -> None:
    sweep = valued(small, {RAG: 0.3, "uniform": 0.0})
    text = said(sweep)
    pattern = f"On subject consistency, `{RAG}` is above `{WINDOW}` by ({INTERVAL}) over 12 prompts"
    found = re.fullmatch(pattern + f"; `uniform` can't be distinguished from `{WINDOW}`\\.", text)
    assert found, text
    row = next(r for r in compare(sweep, "offline", 30.0).rows if r.method == RAG)
    versus = row.cells["subject"].versus
    assert versus and versus.difference.interval
    low, high = versus.difference.interval
    assert found[1] == f"{versus.difference.mean:.3f} ({low:.3f} to {high:.3f})"


def test_if_none_is_better_the_worst_is_named(small: Sweep) -> None:
    text = said(valued(small, {RAG: -0.2, "uniform": -0.4}))
    assert re.search(f"`uniform` is below `{WINDOW}` by 0\\.39\\d \\(0\\.\\d+ to 0\\.\\d+\\)", text)


def test_methods_are_compared_with_frames_at_random_where_they_take_part(small: Sweep) -> None:
    named = small.units["method"].replace("uniform", RANDOM)
    sweep = replace(small, units=small.units.assign(method=named))
    text = said(valued(sweep, {RAG: 0.3, RANDOM: 0.3}))
    assert re.search(
        rf"above `{WINDOW}` by .*; `{RAG}` can't be distinguished from `random`\.$", text
    )
    text = said(valued(sweep, {RAG: 0.5, RANDOM: 0.2}))
    assert text.endswith("over 12 prompts.") and f"`{RAG}` is above `{WINDOW}`" in text


def test_what_cannot_be_told_says_how_many_prompts_would(small: Sweep) -> None:
    text = said(valued(small, {RAG: 0.01, "uniform": 0.0}))
    found = re.fullmatch(
        f"On subject consistency, no method can be distinguished from `{WINDOW}` over 12 prompts; "
        f"the clearest difference, `.*` (above|below) by {INTERVAL}, needs about (\\d+)\\.",
        text,
    )
    assert found and int(found[2]) > 12, text


def test_two_methods_that_are_equal(small: Sweep) -> None:
    units = small.units[small.units["method"] != RAG]
    text = said(replace(small, units=units))
    assert text == (
        f"On subject consistency, `uniform` can't be distinguished from `{WINDOW}` over 3 prompts, "
        "and fewer than 6 cannot show a difference."
    )


def test_one_prompt(small: Sweep) -> None:
    units = small.units[(small.units["prompt_id"] == "p1") & (small.units["seed"] == 0)]
    assert said(replace(small, units=units)) == (
        f"On subject consistency, no method can be distinguished from `{WINDOW}` over 1 prompt, "
        "and fewer than 6 cannot show a difference."
    )


def test_one_method(small: Sweep) -> None:
    units = small.units[small.units["method"] == RAG]
    assert said(replace(small, units=units)) == (
        f"On subject consistency, `{RAG}` has 0.850 (no interval: too few prompts) over 3 prompts; "
        "there is no other method to compare it with."
    )


def test_one_method_whose_rivals_have_too_few_values(small: Sweep) -> None:
    rag = small.units.loc[small.units["method"] == RAG, "unit_id"]
    scores = small.scores[small.scores["metric"] == "subject"]
    missing = ~scores["unit_id"].isin(rag)
    text = said(replace(small, scores=scores.assign(value=scores["value"].mask(missing))))
    assert text.endswith("over 3 prompts; no other method has enough videos with a value.")


def test_metric_that_the_baseline_lacks_is_the_last_resort(small: Sweep) -> None:
    only = replace(small, scores=small.scores[small.scores["metric"] == "hits"])
    assert said(only) == (
        f"On retrieval hits, `{RAG}` has the best mean, 40.00 (no interval: too few prompts) over "
        "3 prompts; the baseline has no value to compare with."
    )


def test_nulls_everywhere_give_the_reason(small: Sweep) -> None:
    only = replace(small, scores=small.scores[small.scores["metric"] == "text"])
    assert said(only) == (
        "Nothing can be compared: no metric has a value (needs weights that are not installed)."
    )


def test_nothing_evaluated(small: Sweep) -> None:
    empty = replace(small, scores=small.scores.head(0))
    assert said(empty) == "No video has been evaluated yet."


def test_lower_is_better_and_others_are_named(pristine_store: Path) -> None:
    sweep = load_sweep(pristine_store)
    many = more_prompts(replace(sweep, scores=sweep.scores[sweep.scores["metric"] == "flicker"]), 4)
    assert said(many).startswith(
        f"On flicker (lower is better) of `tiny_short` at 60 s, `{RAG}` is above `{WINDOW}` by 2.0"
    )


def test_the_metric_is_chosen_by_kind_and_quality_not_by_result(small: Sweep) -> None:
    sweep = valued(small, {RAG: 0.3, "uniform": 0.0})
    infos = sweep.metrics["offline"]
    described = infos | {"subject": replace(infos["subject"], quality=False)}
    assert said(replace(sweep, metrics={"offline": described})).startswith("On flicker")
    truth = {"hits": replace(infos["flicker"], name="hits", title="Truth", kind=Kind.truth)}
    own = sweep.scores[sweep.scores["metric"] == "flicker"].assign(suite="world", metric="hits")
    both = replace(
        sweep,
        scores=pd.concat([sweep.scores, own], ignore_index=True),
        metrics=sweep.metrics | {"world": truth},
        versions=sweep.versions | {"world": ("1",)},
    )
    assert said(both).startswith("On truth (lower is better), ")


def test_names_stay_pieces_of_one_line() -> None:
    words = sentence("so ", *listed(["a\nb", "c", "d", "e", "f"], 3), ".")
    assert words.text == "so `a b`, `c`, `d` and 2 more."
    assert [piece.text for piece in words.pieces if piece.is_name] == ["a\nb", "c", "d"]
    assert sentence(*listed(["a", "b"], 3)).text == "`a` and `b`"
    assert sentence(*listed(["a"], 3)).text == "`a`"
