"""The engine against rollouts of the public LongLive-RAG implementation."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.studies.replay import replay

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = (
    "sliding_window_absolute",
    "sliding_window_relative",
    "rag_avg_pool",
    "rag_autoencoder",
)


@pytest.mark.parametrize("case", CASES)
def test_engine_equals_the_public_implementation(case: str) -> None:
    result = replay(GOLDEN / f"{case}.safetensors", lambda done, total: None)
    assert result.relative_error <= 1e-3
    assert result.num_agreeing == result.num_blocks
    assert result.first_disagreement is None
