"""Real SLURM clusters: they need root and Debian's packages, and take seconds to start."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.core.errors import LongtakeError
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.options import ClusterOptions
from tests.slurm.cluster.site import Site, Struck

# Twenty blocks of more than four seconds in one task.
LONG = ("seed=0,1,2,3", "executor.slurm.shard_min=2")
PACE_S = 4


def started(options: ClusterOptions) -> Iterator[ThrowawayCluster]:
    # Short: a socket's path has 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="longtake-slurm-"))
    cluster = ThrowawayCluster(folder, options)
    try:
        cluster.start()
    except LongtakeError as error:
        if "LONGTAKE_REQUIRE_SLURM" in os.environ:
            raise
        shutil.rmtree(folder)
        pytest.skip(f"NOT TESTED, no SLURM cluster can be started here: {error}")
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def full() -> Iterator[ThrowawayCluster]:
    """With accounting; a preemption sends the signal that a job asked for."""
    yield from started(ClusterOptions())


@pytest.fixture(scope="session")
def bare() -> Iterator[ThrowawayCluster]:
    """Without accounting; a preemption sends SIGTERM; arrays of three tasks at most."""
    yield from started(ClusterOptions(accounting=False, user_signal=False, max_array_size=3))


@pytest.fixture(params=["full", "bare"])
def either(request: pytest.FixtureRequest) -> ThrowawayCluster:
    """Once with accounting and once without."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def site_on(tmp_path: Path) -> Callable[[ThrowawayCluster], Site]:
    """Makes a site in an empty folder."""

    def make(cluster: ThrowawayCluster) -> Site:
        if not cluster.is_up():  # an earlier test failed before it started the controller again
            cluster.start_controller()
        return Site(tmp_path, cluster)

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """sha256 of the videos of seeds 0 to 3, made here without SLURM and without any fault."""
    site = Site(tmp_path_factory.mktemp("undisturbed"), ThrowawayCluster(Path("/nowhere")))
    site.sweep("executor=inline", "seed=0,1,2,3")
    hashes = site.hashes()
    assert len(hashes) == 4
    return hashes


@pytest.fixture(scope="session")
def struck(full: ThrowawayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    limited = _begin(full, tmp_path_factory.mktemp("limited"), "executor.slurm.generate.time_min=1")
    bereft = _begin(full, tmp_path_factory.mktemp("bereft"))
    bereft.wait_for_chunk()
    (shard,) = bereft.shards()
    # Nobody else's task may come to the node that is about to die.
    full.run("scontrol", "update", f"nodename={shard.node}", "state=drain", "reason=test")
    full.kill("slurmd", shard.node)
    yield Struck(limited, bereft, shard.node)
    full.start_node(shard.node)
    full.run("scontrol", "update", f"nodename={shard.node}", "state=resume", check=False)


def _begin(cluster: ThrowawayCluster, folder: Path, *arguments: str) -> Site:
    site = Site(folder, cluster)
    site.pace(PACE_S)
    site.sweep(*LONG, *arguments)
    return site


@pytest.fixture(scope="session", autouse=True)
def early_start(request: pytest.FixtureRequest) -> None:
    """What takes a minute begins before everything else, if it was asked for."""
    if any("struck" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("struck")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes a minute is looked at last."""
    items.sort(key=lambda item: "test_clocks.py" in item.nodeid)
