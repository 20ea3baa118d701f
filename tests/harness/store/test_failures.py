"""A failure is recorded whatever its text contains."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store.run_store import RunStore


@pytest.mark.parametrize(
    "text", ["plain", "lone \ud800 surrogate", "a NUL \0 inside", "", "emoji 🙂", "x" * 3_000_000]
)
def test_any_text_is_recorded(tmp_path: Path, text: str) -> None:
    store = RunStore(tmp_path)
    store.write_failure("unit", text, text)
    failure = store.failure("unit")
    assert failure is not None
    assert len(failure.error) < 30_000
    assert failure.error[:5] == text[:5]
    assert store.failure_path("unit").stat().st_size < 200_000


def test_without_a_failure_there_is_none(tmp_path: Path) -> None:
    assert RunStore(tmp_path).failure("unit") is None


def test_failures_of_generation_precede_those_of_scoring(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_failure("vbench_long:unit", "scoring", "")
    assert store.first_failure_path("unit") == store.failure_path("vbench_long:unit")
    store.write_failure("unit", "making", "")
    assert store.first_failure_path("unit") == store.failure_path("unit")
    store.clear_failure("unit")
    assert store.failure("unit") is None
