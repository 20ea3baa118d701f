"""Shared by all tests. Threads are fixed before torch is imported: see harness/__main__.py."""

from __future__ import annotations

import os

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("LONGTAKE_THREADS", "1")

from pathlib import Path

import pytest
import torch

from backbones.engine.backbone import Backbone
from backbones.tiny.backbone import TinyBackbone

GOLDEN = Path(__file__).parent / "golden"
PROMPT = "dusk grassy blue yellowish striped ball drifting"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run in parallel; more threads than cores would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Backbone:
    """The short embedded backbone with four denoising steps."""
    return TinyBackbone(denoising_step_list=[1000, 700, 400, 150]).load(torch.device("cpu"), [])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests start first, so that no process waits for them at the end."""
    items.sort(key=lambda item: "test_docs.py" not in item.nodeid)
