"""Fixtures of the small text encoder, for all tests of this folder."""

from tests.backbones.wan.text.conftest import files, sentencepiece_model  # noqa: F401
