"""The small text encoder is at hand for all tests of this folder."""

from tests.backbones.wan.text.conftest import files, sentencepiece_model  # noqa: F401
