"""The list of plug-ins, in which a broken one doesn't hide the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config.catalog import catalog
from tests.harness.support import install_distribution

POINTS = {
    "broken_syntax": "broken_syntax:Metric",
    "nowhere": "no_such_module:Metric",
    "flow_motion": "same_name:Metric",
}


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution whose metrics are broken, missing, or named like ours."""
    sources = {
        "broken_syntax.py": "def (",
        "same_name.py": "class Metric:\n    'Same name.'\n",
    }
    points = {"longtake.metrics": POINTS}
    install_distribution(tmp_path / "site", "outside", points, sources)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_each_problem_is_one_line_and_the_rest_is_listed() -> None:
    listed = {entry.name: entry for entry in catalog("metrics")}
    assert listed["broken_syntax"].summary.startswith("cannot be read: SyntaxError")
    assert listed["nowhere"].summary == "not installed: no module 'no_such_module'"
    assert listed["outside:flow_motion"].summary == "Same name."
    assert listed["longtake:flow_motion"].origin == "longtake"
    assert listed["sharpness_retention"].origin == "longtake"
