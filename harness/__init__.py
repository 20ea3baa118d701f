"""Longtake: a benchmark and evaluation harness for long autoregressive video generation."""

from harness.core.version import __version__ as __version__
