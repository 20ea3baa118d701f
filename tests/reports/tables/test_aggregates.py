"""Aggregates of papers, and the orders they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.vbench_long.final_scores import QUALITY
from reports.papers.quoted_files import load_quoted
from reports.site.orders import order_tables
from reports.tables.aggregates import AGGREGATES, SIX, aggregates, orders

CALM = dict(zip(SIX, (0.97, 0.96, 0.98, 0.40, 0.60, 0.70), strict=True))
LIVELY = dict(zip(SIX, (0.96, 0.95, 0.97, 0.60, 0.60, 0.70), strict=True))


def test_aggregates_are_those_of_their_definitions() -> None:
    found = aggregates({"calm": CALM, "lively": LIVELY})
    calm = found["calm"]
    assert calm["mean_of_six"] == pytest.approx(sum(CALM.values()) / 6)
    assert calm["mean_dynamic_half"] == pytest.approx((sum(CALM.values()) - 0.2) / 5.5)
    assert calm["average_rank"] == pytest.approx((1 + 1 + 1 + 2 + 1.5 + 1.5) / 6)
    assert (calm["consistency"], calm["aesthetic"]) == (pytest.approx(0.965), 0.60)
    assert calm["quality"] is None and calm["total"] is None  # flickering is missing
    perfect = {name: scale.maximum for name, scale in QUALITY.items()}
    assert aggregates({"perfect": perfect})["perfect"]["quality"] == pytest.approx(1)
    assert set(calm) == set(AGGREGATES)


def test_the_aggregate_picks_the_winner() -> None:
    found = orders(aggregates({"calm": CALM, "lively": LIVELY}))
    assert found["average_rank"] == ("calm", "lively")
    assert found["mean_of_six"] == ("lively", "calm")
    assert "quality" not in found


def test_a_missing_dimension_leaves_the_others() -> None:
    lacking = {name: value for name, value in CALM.items() if name != "dynamic_degree"}
    found = aggregates({"calm": lacking, "lively": LIVELY})
    assert found["calm"]["mean_of_six"] is None and found["calm"]["consistency"] is not None
    assert found["lively"]["average_rank"] is None and found["lively"]["mean_of_six"] is not None
    assert set(orders(found)) == {"consistency", "aesthetic"}


def test_published_tables_are_ordered_by_backbone_where_their_ranks_are() -> None:
    quoted = load_quoted([Path("field_2026")])
    tables = {table.title: table for table in order_tables([], quoted)["quoted"]}
    longlive = tables["FRAMEMORROW, 60 s: LongLive"]
    rag = next(row for row in longlive.rows if row.label == "LongLive-RAG")
    assert (rag.places["average_rank"], rag.places["mean_of_six"]) == (2, 3)
    causal = tables["FRAMEMORROW, 60 s: Causal-Forcing"]
    assert causal.winners["average_rank"] == causal.winners["mean_of_six"] == "FRAMEMORROW"
    assert len(tables["FadeMem, 60 s"].rows) == 7
