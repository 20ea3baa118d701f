"""Shares of attention by role, of a rollout that they don't change."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from harness.config.sweep import load_single
from harness.run.prepared import PreparedUnit
from harness.store.units import plan_units
from harness.studies.attention import BLOCK, attention_shares
from tests.small import small_backbone

pytestmark = pytest.mark.slow

PROMPT = "dusk grassy blue yellowish striped ball drifting"


@pytest.mark.parametrize("method", ["rag", "memrope", "head_split"])
def test_shares_of_each_block_and_layer_add_up(method: str) -> None:
    config = load_single(PROMPT, ["duration=6", "device=cpu", f"method={method}"])
    (unit,) = plan_units(config)
    prepared = PreparedUnit.of(unit)
    backbone = small_backbone(1000)  # two layers of two heads
    seen: list[int] = []
    shares = attention_shares(prepared, backbone, seen.append)
    assert seen == list(range(3, 27, 3))
    sums: defaultdict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for share in shares:
        sums[share.first_latent, share.layer][0] += share.attention
        sums[share.first_latent, share.layer][1] += share.tokens
    assert len(sums) == 8 * 2
    assert all(total == pytest.approx([1, 1]) for total in sums.values())
    roles = {share.role for share in shares}
    expected = {"rag": "memory", "memrope": "virtual", "head_split": "sink"}[method]
    assert roles >= {expected, "local", BLOCK}
    full = [s for s in shares if s.first_latent == 21 and s.role == BLOCK]
    if method == "memrope":
        assert all(s.tokens == pytest.approx(3 / 12) for s in full)
    if method == "head_split":
        # One head of four has no past, and one sees the sink and the newest frame alone.
        tokens = sum(s.tokens for s in full) / len(full)
        assert tokens == pytest.approx((1 + 3 / 5 + 3 / 12 + 3 / 12) / 4)


def test_the_command_prints_tables_or_json(cli) -> None:
    arguments = ("attention", f"prompt={PROMPT}", "method=sliding_window", "duration=3")
    quick = ("backbone.denoising_step_list=[1000]", "device=cpu")
    result = cli(*arguments, *quick, "--json")
    assert result.code == 0, result
    rows = json.loads(result.out)
    assert {row["role"] for row in rows} == {"sink", "local", "block"}
    shown = cli(*arguments, *quick)
    assert shown.code == 0
    assert "by quarter of the video" in shown.out + shown.err
