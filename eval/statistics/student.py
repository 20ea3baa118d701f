"""Student's t distribution for whole degrees of freedom, so that no large library is needed."""

from __future__ import annotations

import math
from functools import cache


def t_cdf(t: float, degrees: int) -> float:
    """P(T <= t) with `degrees` degrees of freedom.

    Source: Abramowitz and Stegun, 26.7.3 and 26.7.4, a finite sum for whole degrees.
    """
    theta = math.atan2(abs(t), math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    if degrees == 1:
        inside = 2 * theta / math.pi
    else:
        term = cosine if degrees % 2 else 1.0
        total = term
        for k in range(3 if degrees % 2 else 2, degrees - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        inside = 2 / math.pi * (theta + sine * total) if degrees % 2 else sine * total
    return 0.5 + math.copysign(inside / 2, t)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """The t below which a share `probability` of at least one half lies, by bisection."""
    assert 0.5 <= probability < 1, probability
    low, high = 0.0, 1.0
    while t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2
