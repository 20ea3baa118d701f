"""Longtake: a benchmark and evaluation harness for long autoregressive video generation."""

from harness.core.own_packages import install_finder
from harness.core.version import __version__ as __version__

install_finder()
