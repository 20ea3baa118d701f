"""The command that installs a missing package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from harness.core import packages
from harness.core.packages import install_command

REQUIREMENTS = [
    "av>=17.1",
    "opencv-python-headless>=4.9",
    "huggingface_hub>=0.24",
    'transformers>=4.33; extra == "wan"',
    'av==18.1.0; extra == "vbench"',
    'open_clip_torch==2.32.0; extra == "vbench"',
    'peft>=0.6; extra == "dev"',
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: REQUIREMENTS)


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("transformers.models", 'pip install "longtake[wan]"'),
        ("open_clip", 'pip install "longtake[vbench]"'),
        # Pinned by an extra, but a dependency of Longtake itself.
        ("av", "pip install av"),
        ("cv2", "pip install opencv-python-headless"),
        ("huggingface_hub", "pip install huggingface_hub"),
        # An extra for development is nothing a user should install.
        ("peft", "pip install peft"),
        ("somebodys.module", "pip install somebodys"),
    ],
)
def test_the_smallest_command_that_brings_a_module(
    installed: None, module: str, command: str
) -> None:
    assert install_command(module) == command


def test_without_metadata_the_package_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "requires", missing)
    assert install_command("yaml.nodes") == "pip install pyyaml"
