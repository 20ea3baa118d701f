"""Parts of scores that a report keeps for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store.score_parts import CurvePart, KeptParts, ScorePart


@pytest.mark.parametrize("kind", ["scores", "curves"])
def test_a_damaged_part_is_named_once_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    kept = KeptParts(tmp_path, lambda units: [""] * len(units), "code")
    key = kept.key("suite", {"unit": "sha256"})
    parts = ScorePart.of({}), CurvePart.of({})
    assert kept.scores(key) is None  # not made yet
    kept.add(key, parts)
    assert kept.scores(key) is not None and not capsys.readouterr().err
    path = tmp_path / f"{key}.{kind}"
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.scores(key) is None
    said = capsys.readouterr().err
    assert said.startswith(f"{path}: damaged (checksum mismatch)") and said.count("\n") == 1
    kept.add(key, parts)
    assert kept.scores(key) is not None and not capsys.readouterr().err
