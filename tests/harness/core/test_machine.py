"""The machine as one process sees it: threads, free memory, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core import machine
from harness.core.errors import ConfigError

MIB = 2**20


@pytest.fixture
def unprepared(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that has not called prepare_process."""
    monkeypatch.setattr(machine, "_prepared_threads", None)
    monkeypatch.delenv("LONGTAKE_THREADS", raising=False)
    return monkeypatch


def test_eval_threads_default_to_the_cores_up_to_eight(unprepared: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (4, 4), (64, 8)):
        unprepared.setattr(machine, "num_cores", lambda cores=cores: cores)
        assert machine.eval_threads() == threads


def test_eval_threads_can_be_set_by_the_environment(unprepared: pytest.MonkeyPatch) -> None:
    unprepared.setenv("LONGTAKE_THREADS", "3")
    assert machine.eval_threads() == 3
    for wrong in ("0", "-1", "two"):
        unprepared.setenv("LONGTAKE_THREADS", wrong)
        with pytest.raises(ConfigError, match="positive number"):
            machine.eval_threads()


def test_threads_of_a_prepared_process_override_the_environment(
    unprepared: pytest.MonkeyPatch,
) -> None:
    unprepared.setenv("LONGTAKE_THREADS", "3")
    unprepared.setattr(machine, "_prepared_threads", 2)
    assert machine.eval_threads() == 2


@pytest.mark.slow
def test_prepare_process_leaves_the_environment_of_threads_alone() -> None:
    code = (
        "import os, torch; from harness.core import machine; machine.prepare_process(3); "
        "assert machine.eval_threads() == torch.get_num_threads() == 3; "
        "assert 'LONGTAKE_THREADS' not in os.environ"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LONGTAKE_THREADS"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def cgroup_folder(folder: Path, limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")


def test_the_tightest_limit_of_all_parent_cgroups_counts(tmp_path: Path) -> None:
    membership, mount = tmp_path / "cgroup", tmp_path / "mount"
    membership.write_text("0::/slice/job/step\n")
    cgroup_folder(mount / "slice" / "job" / "step", "max", 10 * MIB, 0)
    assert machine._cgroup_room_bytes(membership, mount) == sys.maxsize
    cgroup_folder(mount / "slice" / "job", str(100 * MIB), 60 * MIB, 20 * MIB)
    cgroup_folder(mount / "slice", str(500 * MIB), 60 * MIB, 0)
    assert machine._cgroup_room_bytes(membership, mount) == 60 * MIB


def test_limits_of_cgroup_version_1_count_too(tmp_path: Path) -> None:
    membership, mount = tmp_path / "cgroup", tmp_path / "mount"
    membership.write_text("3:cpu,cpuacct:/job\n2:memory:/job\n")
    job = mount / "memory" / "job"
    job.mkdir(parents=True)
    (job / "memory.limit_in_bytes").write_text(str(100 * MIB))
    (job / "memory.usage_in_bytes").write_text(str(120 * MIB))
    (job / "memory.stat").write_text(f"total_inactive_file {5 * MIB}\n")
    assert machine._cgroup_room_bytes(membership, mount) == 0


def test_available_memory_never_exceeds_what_the_cgroup_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 0 < machine.available_host_bytes() < sys.maxsize
    monkeypatch.setattr(machine, "_cgroup_room_bytes", lambda: 7 * MIB)
    assert machine.available_host_bytes() == 7 * MIB


def test_workers_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "_cgroups", lambda *_: [(90 * MIB, 80 * MIB), (200 * MIB, MIB * 99)]
    )
    assert machine.host_share_bytes() == 80 * MIB
    monkeypatch.setattr(machine, "_host_workers", 3)
    assert machine.host_share_bytes() == 30 * MIB


def test_peak_memory_of_a_child_does_not_include_its_parents() -> None:
    block = b"x" * (300 * MIB)
    code = "from harness.core.machine import peak_host_mib; print(peak_host_mib())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert machine.peak_host_mib() > len(block) / MIB
    assert float(run.stdout) < 200


def test_machine_is_described_without_importing_torch() -> None:
    code = (
        "import sys; from harness.core import machine, devices; machine.cpu_name(); "
        "machine.num_cores(); machine.available_host_bytes(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
