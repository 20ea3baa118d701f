from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.harness.support import copy_rollout


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """The first two blocks of a recorded rollout."""
    return copy_rollout("rag_avg_pool", tmp_path, 6)


def test_an_equal_rollout_passes(cli, case: Path) -> None:
    result = cli("dev", "replay", str(case))
    assert result.code == 0
    assert "2 of 2 blocks agree" in result.out
    assert result.out.splitlines()[-1] == "PASS"


def test_other_latents_fail(cli, case: Path) -> None:
    tensors = load_file(case)
    tensors["latents"] = tensors["latents"] * 1.01
    save_file(tensors, case)
    result = cli("dev", "replay", str(case))
    assert result.code == 1
    assert result.out.splitlines()[-1] == "FAIL"
    assert cli("dev", "replay", str(case), "--rtol", "0.1").code == 0


def test_other_retrieved_frames_fail(cli, tmp_path: Path) -> None:
    case = copy_rollout("rag_avg_pool", tmp_path, 21)
    settings = json.loads(case.with_suffix(".json").read_text())
    settings["retrieval"][0]["selected_global_frames"] = [[2]]
    case.with_suffix(".json").write_text(json.dumps(settings))
    result = cli("dev", "replay", str(case))
    assert result.code == 1
    assert "6 of 7 blocks agree" in result.out
    assert "latent frame 18" in result.out


def record_other_frames(case: Path, first_frame: int, frames: list[int]) -> list[int]:
    """Change the recorded frames of a block; returns what was recorded."""
    settings = json.loads(case.with_suffix(".json").read_text())
    entry = next(e for e in settings["retrieval"] if e["query_frame"] == first_frame)
    before = entry["selected_global_frames"][0]
    entry["selected_global_frames"] = [frames]
    case.with_suffix(".json").write_text(json.dumps(settings))
    return before


@pytest.mark.slow
def test_frames_that_differ_within_ties_agree_and_it_is_said(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = copy_rollout("rag_avg_pool", tmp_path, 24)
    before = record_other_frames(case, 21, [])
    record_other_frames(case, 21, [before[1], before[0], *before[2:]])

    result = cli("dev", "replay", str(case), "--json")
    assert result.code == 1
    facts = json.loads(result.out)
    assert (facts["num_agreeing"], facts["num_blocks"], facts["num_tied"]) == (7, 8, 0)

    # The same swap, where the similarities of the two frames are within the tolerance.
    monkeypatch.setattr("harness.studies.replay.TIE_TOLERANCE", 0.5)
    result = cli("dev", "replay", str(case))
    assert result.code == 0
    assert "8 of 8 blocks agree" in result.out
    assert "1 of them differ within ties: similarities at most 0.5 apart" in result.out


def test_a_file_of_another_kind_is_one_clear_line(cli, case: Path) -> None:
    case.write_bytes(case.read_bytes()[:1000])
    result = cli("dev", "replay", str(case))
    assert result.code == 2
    assert "not a recorded rollout" in result.err


def test_settings_that_do_not_fit_the_tensors_are_one_clear_line(cli, case: Path) -> None:
    settings = json.loads(case.with_suffix(".json").read_text())
    for change in ({"denoising_step_list": [1000, 500]}, {"prompt": None}, {"rope": "spiral"}):
        changed = settings | {"meta": settings["meta"] | change}
        if change == {"prompt": None}:
            del changed["meta"]["prompt"]
        case.with_suffix(".json").write_text(json.dumps(changed))
        result = cli("dev", "replay", str(case))
        assert result.code == 2
        assert result.err.count("\n") == 1
