"""Shares of attention by role, of a rollout that they don't change."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from harness.config.sweep import load_single
from harness.run.prepared import PreparedUnit
from harness.store.units import plan_units
from harness.studies.attention import BLOCK, Thumbnails, watch, write_page
from harness.studies.merged_frames import composed
from methods.virtual import adain, mean, merged, moving_average
from tests.small import small_backbone

pytestmark = pytest.mark.slow

PROMPT = "dusk grassy four walking"


@pytest.mark.parametrize("method", ["rag", "memrope", "head_split"])
def test_shares_of_each_block_and_layer_add_up(method: str, tmp_path: Path) -> None:
    config = load_single(PROMPT, ["duration=6", "device=cpu", f"method={method}"])
    (unit,) = plan_units(config)
    prepared = PreparedUnit.of(unit)
    backbone = small_backbone(1000)  # two layers of two heads
    seen: list[int] = []
    pictures = Thumbnails(backbone)
    watched = watch(prepared, backbone, lambda block: seen.append(block.first_frame), pictures)
    shares = watched.shares
    assert seen == list(range(0, 24, 3))
    assert len(pictures.pictures) == 24
    page = write_page(tmp_path, unit, watched, pictures)
    text, files = page.read_text(), {path.name for path in tmp_path.iterdir()}
    assert "Layers that read it most" in text and "By quarter of the video" in text
    assert set(re.findall(r'(?:src|href)="([^"]+)"', text)) == files - {"index.html"}
    drawn = {"slots.png", "slot_frames.png", "groups.png"} & files
    expected_files = {"memrope": {"slots.png", "slot_frames.png"}, "head_split": {"groups.png"}}
    assert drawn == expected_files.get(method, set())
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
        assert all(sum(parts.values()) == pytest.approx(1) for parts in watched.slots.values())
    if method == "head_split":
        # One head of four has no past, and one sees the sink and the newest frame alone.
        tokens = sum(s.tokens for s in full) / len(full)
        assert tokens == pytest.approx((1 + 3 / 5 + 3 / 12 + 3 / 12) / 4)
        heads = [sum(map(len, rows)) for rows, _ in watched.groups]
        assert len(heads) > 1 and sum(heads) == 4
        assert () in {roles for _, roles in watched.groups}


def test_a_slot_is_made_of_the_frames_that_its_writes_took_up() -> None:
    first = composed({}, [mean(-1, [0, 3])])
    assert first == {-1: {0: 0.5, 3: 0.5}}
    second = composed(first, [moving_average(-1, [4], 0.9), mean(-2, [-1])])
    assert second[-1] == pytest.approx({0: 0.45, 3: 0.45, 4: 0.1})
    assert second[-2] == second[-1]
    assert composed(second, [adain(-2, 7, [0, 1], 0.5)])[-2] == {7: 1}
    assert composed({}, [merged(-1, [1, 2], "any")])[-1] == {1: 0.5, 2: 0.5}
    assert first == {-1: {0: 0.5, 3: 0.5}}, "earlier states stay"


def test_the_command_prints_tables_or_json_and_writes_a_page_if_asked(cli, tmp_path) -> None:
    arguments = ("attention", f"prompt={PROMPT}", "method=sliding_window", "duration=3")
    quick = ("backbone.denoising_step_list=[1000]", "device=cpu")
    result = cli(*arguments, *quick, "--json", f"out={tmp_path / 'page'}")
    assert result.code == 0, result
    rows = json.loads(result.out)
    assert {row["role"] for row in rows} == {"sink", "local", "block"}
    shown = cli(*arguments, *quick)
    assert shown.code == 0
    assert "by quarter of the video" in shown.out + shown.err
    assert (tmp_path / "page" / "index.html").is_file()
