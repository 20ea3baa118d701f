"""The files of tested versions hold what `pyproject.toml` allows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Ourselves, what the build of torch decides, and what pip itself brings.
APART = ("longtake", "torch", "torchvision", "setuptools")


@pytest.mark.parametrize(
    ("file", "extras"),
    [("constraints.txt", ("wan", "dev", "docs")), ("constraints-vbench.txt", ("vbench",))],
)
def test_tested_versions_are_those_that_are_asked_for(file: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"]]
    asked += [text for extra in extras for text in project["optional-dependencies"][extra]]
    lines = (ROOT / file).read_text().splitlines()
    pins = (line.split("==") for line in lines if not line.startswith("#"))
    tested = {canonicalize_name(name): version for name, version in pins}
    for requirement in map(Requirement, asked):
        if requirement.name not in APART:
            version = tested[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement}, tested: {version}"
