"""Shared by all tests.

Threads are fixed before torch is imported (see harness/__main__.py), and shapes are checked in
everything that is imported after `check_shapes`.
"""

from __future__ import annotations

import gc
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("LONGTAKE_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import pytest
import torch

from tests.shapes import check_shapes

check_shapes()

from backbones.engine.backbone import Backbone  # noqa: E402
from tests.small import small_backbone  # noqa: E402

TESTS = Path(__file__).parent
PROMPT = "dusk grassy four walking"

# A loaded machine must not fail a test, and neither may an example that CI is the first to draw.
hypothesis.settings.register_profile("longtake", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("longtake")

# Folders whose tests all belong to a tier; other tests are marked where they stand.
TIERS = {
    "cluster": "slurm/cluster",
    "vbench": "eval/vbench_long/parity",
    "slow": "harness/studies",
}
# Tests that take a minute or more.
LONGEST = ("test_docs.py", "test_every_dimension", "scored_by_both_suites")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run in parallel; more threads than cores would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def forgotten_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget modules that a test wrote, and where; the next one may write another of the name."""
    path, before = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    written = f"{tmp_path_factory.getbasetemp()}{os.sep}"
    for name in sys.modules.keys() - before:
        if str(vars(sys.modules[name]).get("__file__")).startswith(written):
            del sys.modules[name]


@pytest.fixture
def shapes_unchecked() -> Iterator[None]:
    """Turn off the checks of shapes, which torch.compile would trace along with the code."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def small() -> Backbone:
    """The street's backbone with a small transformer and four denoising steps."""
    return small_backbone(1000, 700, 400, 150)


def pytest_collection_finish() -> None:
    """Leave what the imports made out of garbage collection: each pass takes 0.4 s with it."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their place, and start the longest first, so that none is waited for."""
    for item in items:
        for mark, folder in TIERS.items():
            if item.path.is_relative_to(TESTS / folder):
                item.add_marker(mark)
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))
