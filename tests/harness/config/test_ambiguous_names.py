"""A plug-in with the name of a built-in: only that name is refused, and both can be chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.scoring.suite import METRICS, check_suites, find_suite
from harness.config.catalog import catalog
from harness.config.options import options
from harness.config.sweep import SweepConfig, load_sweep
from harness.core.errors import LongtakeError
from harness.core.schema import build, with_defaults
from methods import METHODS
from tests.harness.support import install_distribution

POINTS = {
    "longtake.methods": {"rag": "same_names:Other", "rag_fill": "same_names:Other"},
    "longtake.backbones": {"street_window": "same_names:Other"},
    "longtake.metrics": {"flow_motion": "same_names:Other"},
    "longtake.encoders": {"avg_pool": "same_names:Other", "flat": "same_names:Other"},
    "longtake.prompts": {"street_turns": "same_names:Other"},
}
SOURCE = """
from dataclasses import dataclass
from methods import sliding_window

@dataclass
class Other(sliding_window.SlidingWindow):
    "Another."
"""


@pytest.fixture(autouse=True)
def same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution whose plug-ins are called like ours."""
    install_distribution(tmp_path / "site", "outside", POINTS, {"same_names.py": SOURCE})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def load(*overrides: str) -> SweepConfig:
    return load_sweep(["prompts.num=1", *overrides])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("method=rag", "write longtake:rag or outside:rag"),
        ("method=rag_fill", "preset of longtake .* write longtake:rag_fill or outside:rag_fill"),
        ("backbone=street_window", "preset of longtake .* or outside:street_window"),
        ("prompts.source=street_turns", "write longtake:street_turns or outside:street_turns"),
        (
            "method=longtake:rag method.descriptor=avg_pool",
            "descriptor 'avg_pool' .* write longtake:avg_pool or outside:avg_pool",
        ),
    ],
)
def test_the_ambiguous_name_is_refused(override: str, message: str) -> None:
    backbone = [] if override.startswith("backbone") else ["backbone=street"]
    with pytest.raises(LongtakeError, match=message):
        load(*backbone, *override.split())


def test_both_can_be_chosen_and_compared() -> None:
    rows = load("backbone=street", "method=longtake:rag,outside:rag").rows
    ours, other = (row.method for row in rows)
    assert (ours.label, ours.target) == ("rag", "longtake:rag")
    assert (other.label, other.target) == ("rag of outside", "outside:rag")
    built = with_defaults(build(METHODS.load(ours.target), ours.args, "method"))
    assert (built["layout"], built["descriptor"]) == ("released", "avg_pool"), "our Rag"


def test_presets_that_use_a_shadowed_built_in_still_mean_it() -> None:
    (row,) = load("backbone=longtake:street_window", "method=rag_aged").rows
    assert (row.method.label, row.method.target) == ("rag_aged", "longtake:rag")
    assert row.backbone.label == "street_window"
    assert "outside:rag" in options("method")


def test_defaults_and_presets_mean_what_ships_with_longtake() -> None:
    (row,) = load("method=longtake:rag", "prompts=street_turns").rows
    assert (row.backbone.label, row.method.label) == ("street", "rag")
    assert len(row.prompts.prompts) == 1
    strategy = build(METHODS.load(row.method.target), row.method.args, "method")
    assert strategy.identity()["descriptor"] == {"name": "avg_pool"}, "no unit is made again"
    (flat,) = load("method=rag_flat").rows
    assert flat.method.args["descriptor"] == "longtake:flat"
    assert {"street_turns", "street"} <= {entry.name for entry in catalog("prompts")}


def test_our_suites_keep_their_metrics() -> None:
    check_suites(["offline"])
    assert "longtake:flow_motion" in find_suite("offline").metrics
    with pytest.raises(LongtakeError, match="write longtake:flow_motion or outside:flow_motion"):
        find_suite("flow_motion")
    own = find_suite("longtake:flow_motion")
    assert METRICS.load(own.metrics[0])().info.name == "flow_motion"
    assert own.version == "1"
    assert len(find_suite("outside:flow_motion").version) == 12
