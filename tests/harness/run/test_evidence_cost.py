"""The operations that evidence adds, said before a sweep."""

from __future__ import annotations

import pytest

from backbones.wan.backbone import SelfForcing
from harness.config.sweep import load_sweep
from harness.run.evidence_cost import evidence_lines, evidence_share
from harness.store.units import plan_units
from methods.base import Pass


def test_shares_are_those_of_the_page_at_the_released_size() -> None:
    spec = SelfForcing().spec()
    assert evidence_share(spec, {Pass.clean}) == pytest.approx(0.057, abs=5e-4)
    assert evidence_share(spec, {Pass.first}) == pytest.approx(0.257, abs=5e-4)
    assert evidence_share(spec, {Pass.first, Pass.clean}) == pytest.approx(0.314, abs=5e-4)


def test_only_methods_that_look_at_attention_are_named() -> None:
    arguments = ["backbone=street", "method=rag,head_split,sliding_window", "prompts.num=2"]
    (line,) = evidence_lines(plan_units(load_sweep(arguments)))
    assert line.startswith("evidence: head_split on street looks at attention")
    assert line.endswith("% more operations a block")
