"""The names of `harness`: all of them exist, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness


def test_import_loads_no_heavy_package() -> None:
    script = "import sys, harness; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    loaded = set(listed.stdout.decode().split())
    assert not loaded & {"torch", "pandas", "numpy", "hydra", "omegaconf", "typer", "rich"}


@pytest.mark.parametrize("name", harness.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(harness, name)
    assert name in dir(harness)
    assert name == "__version__" or value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'swep'"):
        harness.swep  # noqa: B018


def test_names_for_annotations_are_those_that_functions_return() -> None:
    from backbones.engine.block import Block
    from harness.store.record import Record

    assert harness.Block is Block
    assert harness.Record is Record


def test_every_error_is_public() -> None:
    from harness.core import errors

    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.LongtakeError)
    }
    assert classes <= set(harness.__all__)
