"""Real SLURM clusters; they need root and Debian's packages."""

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


def started(options: ClusterOptions) -> Iterator[ThrowawayCluster]:
    # Not in pytest's folder: the path of a socket has 108 bytes at most.
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
    """A cluster with accounting, whose preemptions send the signal of --signal."""
    yield from started(ClusterOptions())


@pytest.fixture(scope="session")
def bare() -> Iterator[ThrowawayCluster]:
    """A cluster without accounting, with plain SIGTERM and arrays of three tasks at most."""
    yield from started(ClusterOptions(accounting=False, user_signal=False, max_array_size=3))


@pytest.fixture(params=["full", "bare"])
def either(request: pytest.FixtureRequest) -> ThrowawayCluster:
    """Each cluster in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def site_on(tmp_path: Path) -> Callable[[ThrowawayCluster], Site]:
    """Return a function that makes a site in an empty folder."""

    def make(cluster: ThrowawayCluster) -> Site:
        if not cluster.is_up():  # an earlier test failed while the controller was down
            cluster.start_controller()
        return Site(tmp_path, cluster)

    return make


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the sha256 of the videos of seeds 0 to 3, generated without SLURM and faults."""
    site = Site(tmp_path_factory.mktemp("undisturbed"), ThrowawayCluster(Path("/nowhere")))
    site.sweep("executor=inline", "seed=0,1,2,3")
    hashes = site.hashes()
    assert len(hashes) == 4
    return hashes


@pytest.fixture(scope="session")
def struck(full: ThrowawayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Struck]:
    """Begin what takes a minute: SLURM has to notice a time limit and a dead node."""
    limited = _held(full, tmp_path_factory.mktemp("limited"), "executor.slurm.generate.time_min=1")
    bereft = _held(full, tmp_path_factory.mktemp("bereft"))
    bereft.wait_until_held()
    (shard,) = bereft.shards()
    # The process on that node outlives it, and is still running when another node takes over.
    bereft.hold(3, node=shard.node)
    # Tasks of other tests must not come to the node that is about to die.
    full.run("scontrol", "update", f"nodename={shard.node}", "state=drain", "reason=test")
    full.kill("slurmd", shard.node)
    yield Struck(limited, bereft, shard.node)
    full.start_node(shard.node)
    full.run("scontrol", "update", f"nodename={shard.node}", "state=resume", check=False)


def _held(cluster: ThrowawayCluster, folder: Path, *arguments: str) -> Site:
    """Submit four units in one task that is held up in its second block."""
    site = Site(folder, cluster)
    site.hold(3)
    site.sweep("seed=0,1,2,3", "executor.slurm.shard_min=2", *arguments)
    return site


@pytest.fixture(scope="session", autouse=True)
def early_start(request: pytest.FixtureRequest) -> None:
    """Start `struck` before all other tests if any test uses it."""
    if any("struck" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("struck")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests that use `struck` to the end, so that the others run while they wait."""
    items.sort(key=lambda item: "struck" in getattr(item, "fixturenames", ()))
