"""The test cluster itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from slurm.testcluster.__main__ import main
from slurm.testcluster.cluster import ThrowawayCluster
from slurm.testcluster.options import ClusterOptions
from slurm.testcluster.processes import processes_with


@pytest.fixture
def folder(bare: ThrowawayCluster) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="longtake-slurm-"))
    yield folder
    ThrowawayCluster(folder).stop()
    shutil.rmtree(folder)


def test_it_starts_beside_another_and_leaves_nothing_running(
    folder: Path, bare: ThrowawayCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", str(folder), "--no-accounting", "--nodes", "2"]) == 0
    assert main(["start", str(folder), "--no-accounting", "--nodes", "2"]) == 0
    assert main(["status", str(folder)]) == 0
    assert f"export SLURM_CONF={folder}/etc/slurm.conf" in capsys.readouterr().out
    cluster = ThrowawayCluster(folder)
    assert cluster.node_names == ["n1", "n2"]
    assert bare.is_up()
    cluster.run("sbatch", "-o", "/dev/null", "--wrap", "trap '' TERM; sleep 600 & wait; sleep 600")
    cluster.kill("slurmd", "n1")
    assert main(["status", str(folder)]) == 1
    assert main(["stop", str(folder)]) == 0
    assert main(["stop", str(folder)]) == 0
    assert not any(cluster.states().values())
    assert not list(processes_with(f"SLURM_CONF={cluster.conf}"))
    assert bare.is_up()


def test_requirements_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        ThrowawayCluster, "environment", {"PATH": str(tmp_path), "SLURM_CONF": "/nowhere"}
    )
    with pytest.raises(ConfigError, match=r"apt-get install .* slurmctld"):
        ThrowawayCluster(Path("/tmp/x"), ClusterOptions()).start()
    with pytest.raises(ConfigError, match="too long"):
        ThrowawayCluster(Path("/tmp") / ("x" * 80), ClusterOptions()).start()
    with pytest.raises(ConfigError, match="gpus=9"):
        ClusterOptions(gpus=9)
    with pytest.raises(ConfigError, match=r"nodes=49 must lie in 1..48"):
        ClusterOptions(nodes=49)
    with pytest.raises(ConfigError, match="at least 5"):
        ClusterOptions(requeue_wait_s=3)
