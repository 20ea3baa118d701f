"""`engine=official` without the official packages: its input, and the use of its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.metric import MetricUnavailable
from tests.harness.store.test_imported import manifest, moving, write


@pytest.fixture
def scored(cli, tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write(folder / "a.mp4", moving(70))
    listed = manifest(folder, a="a red ball")
    assert cli("eval", f"videos={folder}", f"manifest={listed}", "suite=vbench_long").code == 0
    return tmp_path / "runs" / "mine"


def test_the_scored_clips_are_handed_over_and_the_scores_compared(
    cli, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def official(
        videos: Mapping[str, tuple[Path, Sequence[Path]]],
        dimensions: Sequence[str],
        device: str,
        threads: int,
    ) -> dict[str, Any]:
        asked.update(videos=dict(videos), dimensions=list(dimensions))
        return {"cpu_s": dict.fromkeys(dimensions, 7.0)} | {n: [0.5, []] for n in dimensions}

    monkeypatch.setattr("harness.studies.official.cross_check.run_official", official)
    result = cli("eval", f"sweep={scored}", "suite=vbench_long", "engine=official")
    assert result.code == 0, result.err
    # Only what has a number here: in this environment one dimension.
    assert asked["dimensions"] == ["temporal_flickering"]
    ((name, (video, clips)),) = asked["videos"].items()
    assert name == "a red ball-0" and video.is_file()
    assert [clip.name for clip in clips] == [
        "000000-000032.mp4",
        "000032-000064.mp4",
        "000038-000070.mp4",
    ]
    assert all(clip.is_file() for clip in clips)
    (line,) = json.loads((scored / "metrics" / "vbench_long.cross_check.json").read_text())
    assert (line["official_code"], line["official_cpu_s"]) == (0.5, 7.0) and 0 < line["here"] < 1


def test_failure_of_the_official_code_is_reported(
    cli, scored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def official(*_: Any, **__: Any) -> dict[str, Any]:
        raise MetricUnavailable("the official code failed: no such thing")

    monkeypatch.setattr("harness.studies.official.cross_check.run_official", official)
    result = cli("eval", f"sweep={scored}", "suite=vbench_long", "engine=official")
    assert result.code == 1
    assert "no such thing" in result.out
    wrong = cli("eval", f"sweep={scored}", "suite=vbench_long", "engine=oficial")
    assert wrong.code == 2 and "Did you mean 'official'" in wrong.err
