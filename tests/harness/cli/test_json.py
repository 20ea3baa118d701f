"""Commands with --json print one valid document with the documented keys on standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.harness.support import FAST, copy_rollout, documented_keys, keys_of


@pytest.mark.slow
def test_list(cli) -> None:
    found = json.loads(cli("list", "--json").out)
    assert {"methods", "metrics", "backbones"} <= set(found)
    rag = next(listed for listed in found["methods"] if listed["name"] == "rag")
    assert set(rag) == documented_keys("list --json") - {"methods"}
    assert set(json.loads(cli("list", "encoders", "--json").out)) == {"encoders"}


@pytest.mark.slow
def test_doctor(cli) -> None:
    found = json.loads(cli("doctor", "--json").out)
    assert set(found) == documented_keys("doctor --json")
    assert "torch" in found["packages"]


def test_dry_run(cli) -> None:
    scored = [setting for setting in FAST if setting != "suite=[]"]
    result = cli("sweep", "--dry-run", "--json", *scored, "method=rag,oldest", "seed=0,1")
    found = json.loads(result.out)
    of_a_download = {"file", "bytes"}
    assert keys_of(found, 2) | of_a_download == documented_keys("sweep --dry-run --json")
    assert [(row["method"], row["units"], row["missing"]) for row in found["rows"]] == [
        ("rag", 2, 2),
        ("oldest", 2, 2),
    ]
    assert found["disk_bytes"] > 0
    assert found["generate"] == {"num_items": 4, "num_there": 0, "seconds": None}
    assert (found["unknown"], found["downloads"]) == (["street " + FAST[0][9:]], [])
    (power,) = found["power"]
    assert (power["suite"], power["num_prompts"], power["effect"]) == ("offline", 1, None)


@pytest.mark.slow
@pytest.mark.parametrize("rtol", ["1e-3", "0"])
def test_replay(cli, tmp_path: Path, rtol: str) -> None:
    case = copy_rollout("sliding_window_relative", tmp_path, 3)
    result = cli("dev", "replay", str(case), "--rtol", rtol, "--json")
    found = json.loads(result.out)
    assert set(found) == documented_keys("dev replay --json")
    assert found["passed"] == (rtol != "0") == (result.code == 0)


def test_an_error_leaves_standard_output_empty(cli) -> None:
    result = cli("list", "--json", "method")
    assert (result.code, result.out) == (2, "")
