"""`doctor` prints a line for each broken or ambiguous plug-in and reports everything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.support import install_distribution

PLUGIN = "class Own:\n    'Own.'\n"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two installed distributions with plug-ins that cannot be used."""
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    points = {
        "longtake.methods": {"rag": "doctor_one:Own", "rag_fill": "doctor_one:Own"},
        "longtake.backbones": {"broken": "doctor_broken:Own"},
        "longtake.encoders": {"same": "doctor_one:Own", "nothing": "doctor_gone:Own"},
        "longtake.metrics": {"flow_motion": "doctor_one:Own"},
    }
    sources = {"doctor_one.py": PLUGIN, "doctor_broken.py": "raise RuntimeError('no\\nluck')"}
    install_distribution(tmp_path / "one", "one", points, sources)
    same = {"longtake.encoders": {"same": "doctor_two:Own"}}
    install_distribution(tmp_path / "two", "two", same, {"doctor_two.py": PLUGIN})
    for name in ("one", "two"):
        monkeypatch.syspath_prepend(str(tmp_path / name))


@pytest.mark.slow
def test_each_problem_is_one_line_and_the_rest_is_reported(cli, outside: None) -> None:
    result = cli("doctor")
    assert result.code == 0, result.err
    lines = [line for line in result.out.splitlines() if line.startswith("plug-in: ")]
    for text in (
        "method 'rag' is registered by longtake (methods.rag:Rag) and one (doctor_one:Own)",
        "method 'rag_fill' is a preset of longtake and registered by one (doctor_one:Own)",
        "backbone 'broken' of one: importing doctor_broken fails: RuntimeError: no luck",
        "write two:same or one:same",
        "descriptor 'nothing' of one needs the module 'doctor_gone', which is not installed",
        "metric 'flow_motion' is registered by longtake",
    ):
        assert [text in line for line in lines].count(True) == 1, (text, lines)
    assert "found: street, encoder" in result.out
    assert "sky_error" in result.out
    assert json.loads(cli("doctor", "--json").out)["plugins"] == [
        line.removeprefix("plug-in: ") for line in lines
    ]
