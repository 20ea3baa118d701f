from __future__ import annotations

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from eval.statistics.student import t_cdf, t_quantile


@given(st.floats(-50, 50), st.integers(1, 300))
def test_distribution_agrees_with_scipy(t: float, degrees: int) -> None:
    assert t_cdf(t, degrees) == pytest.approx(scipy.stats.t.cdf(t, degrees), abs=1e-9)


@given(st.floats(0.5, 0.9999), st.integers(1, 2000))
def test_quantile_agrees_with_scipy(probability: float, degrees: int) -> None:
    expected = scipy.stats.t.ppf(probability, degrees)
    assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-9)
