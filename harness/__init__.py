"""Longtake: a benchmark and evaluation harness for long autoregressive video generation."""

__version__ = "0.1.0"
