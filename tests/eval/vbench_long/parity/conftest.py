"""Tests of the networks: they need the packages of the extra `vbench` (`make test-vbench`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.metric import Clip, Network
from eval.video.decode import read_frames

DATA = Path(__file__).parents[2] / "data" / "vbench_long"
_PACKAGES = ("vbench", "dreamsim", "clip", "pyiqa", "timm", "open_clip", "torchvision")
# The lean environment has none of them; `make test-vbench` fails if nothing is collected.
if not all(importlib.util.find_spec(package) for package in _PACKAGES):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of random weights; LONGTAKE_TEST_WEIGHTS keeps them between runs."""
    if kept := os.environ.get("LONGTAKE_TEST_WEIGHTS"):
        return Path(kept)
    # One for all processes of a run: their folders are neighbours.
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "weights"


@pytest.fixture
def weights(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes random weights files and lets them be found."""
    from filelock import FileLock

    from tests.eval.vbench_long.parity.random_weights import provide

    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LONGTAKE_CACHE", str(home / "longtake"))
    for moved in ("VBENCH_CACHE_DIR", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(moved, raising=False)
    home.mkdir(parents=True, exist_ok=True)

    def make(*files: object) -> None:
        with FileLock(home / ".lock"):
            for file in files:
                provide(file)

    return make


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The two recorded clips."""
    frames = [np.stack(list(read_frames(DATA / f"blue squares-0_00{i}.mp4"))) for i in (0, 1)]
    return [Clip(frames[i], 32 * i, 16, "blue squares") for i in (0, 1)]


@pytest.fixture(scope="session")
def run_once() -> Callable[[Network, Clip], np.ndarray]:
    """Return a function that runs a network on a recorded clip once, however many tests need it."""
    known: dict[tuple[str, int], np.ndarray] = {}

    def run(network: Network, clip: Clip) -> np.ndarray:
        key = network.name, clip.start_frame
        if key not in known:
            known[key] = network.load("cpu")(clip)
        return known[key]

    return run


@pytest.fixture(scope="session")
def openings() -> Clip:
    """The recorded video of their first frames."""
    return Clip(np.stack(list(read_frames(DATA / "openings.mp4"))), 0, 16, "blue squares")
