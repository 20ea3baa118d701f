"""Errors of evaluation that other rooms catch."""

from __future__ import annotations

from harness.core.errors import LongtakeError


class MetricUnavailable(LongtakeError):
    """A metric cannot be computed here; the text is the reason shown beside the null."""


class MetricFailed(MetricUnavailable):
    """A metric or a network raised an error or broke its contract: no property of the video."""
