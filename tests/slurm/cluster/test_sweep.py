"""Submission: the whole chain, what is requested, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.store.shards import Shard
from slurm.checks import preflight
from slurm.status.verdicts import Verdict
from slurm.submission import JobStage
from slurm.testcluster.cluster import ThrowawayCluster
from tests.slurm.cluster.site import UNITS, Site

MakeSite = Callable[[ThrowawayCluster], Site]


def test_a_sweep_is_generated_scored_and_reported(
    full: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(full)
    units = [argument for argument in UNITS if not argument.startswith("suite")]
    arguments = (*units, f"name={site.name}", "seed=0,1", "suite=flicker_stability")
    setup = "executor.slurm.setup=['echo on GPU $CUDA_VISIBLE_DEVICES']"
    assert site.harness("sweep", *arguments, setup, "executor.slurm.shard_min=0.2") == 0
    assert "submitted: generate" in site.printed
    for command in ("status", "resume", "cancel", "logs"):
        assert f"python -m harness {command} {site.store}" in site.printed
    assert site.on_store("status", "every=1", "--watch") == 0
    assert "leaderboard" in site.printed
    assert {shard.verdict for shard in site.state().shards} == {Verdict.done}
    assert len(site.shards(JobStage.generate)) == len(site.shards(JobStage.evaluate)) == 2
    assert site.hashes().items() <= undisturbed.items()
    assert (site.store / "report/index.html").is_file()
    out = "".join(path.read_text() for path in site.store.glob("slurm/*/submitit/*_log.out"))
    assert re.findall(r"on GPU [01]\n", out)
    submissions = list((site.store / "slurm").iterdir())
    assert site.harness("sweep", *arguments) == 0
    assert "Nothing is missing" in site.printed
    assert list((site.store / "slurm").iterdir()) == submissions


def test_a_second_command_submits_only_what_is_not_queued(
    bare: ThrowawayCluster, site_on: MakeSite
) -> None:
    site = site_on(bare)
    site.hold(0)
    site.sweep("seed=0")
    site.sweep("seed=0,1")
    site.release()
    assert [len(shard.shard.items) for shard in site.shards()] == [1, 1]
    state = site.wait_until_over()
    assert [shard.verdict for shard in state.shards] == [Verdict.done, Verdict.done]
    assert [len(shard.attempts) for shard in state.shards] == [1, 1]


def test_arrays_are_split_at_the_limit_of_the_cluster(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    """This cluster accepts arrays of three tasks; the sweep has four."""
    site = site_on(bare)
    site.sweep("seed=0,1,2,3", "executor.slurm.shard_min=0.2")
    (header,) = site.store.glob("slurm/*/submission.json")
    jobs = json.loads(header.read_text())["jobs"]
    assert [job["num_tasks"] for job in jobs] == [3, 1]
    site.wait_until_over()
    assert site.hashes() == undisturbed


def test_a_sweep_can_be_submitted_from_inside_a_job(
    bare: ThrowawayCluster, site_on: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sbatch would obey the variables of the outer job."""
    for name, value in {"SLURM_JOB_ID": "77", "SLURM_MEM_PER_CPU": "1", "SLURM_GPUS": "9"}.items():
        monkeypatch.setenv(name, value)
    site = site_on(bare)
    site.sweep("seed=0")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.done


def test_a_dry_run_writes_nothing(full: ThrowawayCluster, site_on: MakeSite) -> None:
    site = site_on(full)
    before = site.slurm("squeue", "-h", "-o", "%A")
    assert site.harness("sweep", "--dry-run", *UNITS, "seed=0,1") == 0
    for line in (
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --signal=USR2@20",
        "#SBATCH --mem=922M",
        "GPU-hours: about 0.0, at most 0.1",
    ):
        assert line in site.printed
    assert not (site.folder / "runs").exists()
    assert set(site.slurm("squeue", "-h", "-o", "%A").split()) <= set(before.split())


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["executor.slurm.partition=gpus"], ["Unknown partition 'gpus'", "Did you mean 'gpu'?"]),
        (["executor.slurm.account=nobody"], ["SLURM refuses", "Invalid account"]),
        (["executor.slurm.qos=nothing"], ["SLURM refuses", "qos"]),
        (["executor.slurm.generate.gpus=3"], ["SLURM refuses", "node configuration"]),
        (["executor.slurm.generate.mem_gib=9999"], ["SLURM refuses", "node configuration"]),
        (["executor.slurm.generate.time_min=1", "executor.slurm.signal_delay_s=60"], ["time_min"]),
        (["executor.slurm.partitoin=gpu"], ["Did you mean 'partition'?"]),
        (["executor.slurm.gpu_flag=gpu"], ["gpu_flag", "gres"]),
        (["executor.slurm.extra.array=1-9"], ["'array' can't be set here"]),
        (["workers=2"], ["executor.slurm.max_running"]),
        (["runs=/proc/nowhere"], ["/proc/nowhere", "cannot be written to"]),
    ],
)
def test_mistakes_are_reported_before_anything_is_submitted(
    full: ThrowawayCluster, site_on: MakeSite, arguments: list[str], messages: list[str]
) -> None:
    site = site_on(full)
    assert site.harness("sweep", *UNITS, *arguments) == 2, site.printed
    assert site.printed.rstrip().rpartition("\n")[2].startswith("error: ")
    for message in messages:
        assert message in site.printed
    assert not list(site.folder.glob("runs/main/slurm/*/submission.json"))


def test_a_local_run_folder_is_refused(
    full: ThrowawayCluster, site_on: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_on(full)
    monkeypatch.setattr(preflight, "nodes_are_here", lambda: False)
    assert site.harness("sweep", *UNITS) == 2
    assert "other nodes cannot see" in site.printed


def test_a_wrong_clock_is_reported(
    full: ThrowawayCluster, site_on: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_on(full)
    monkeypatch.setattr(preflight, "clock_skew_s", lambda _: 312.0)
    assert site.harness("sweep", *UNITS) == 3
    assert "312 s ahead" in site.printed


def test_doctor_examines_the_cluster_and_a_node(full: ThrowawayCluster, site_on: MakeSite) -> None:
    site = site_on(full)
    assert site.harness("doctor", "executor=site.yaml", "device=cpu", "--probe") == 0, site.printed
    text = " ".join(site.printed.split())
    for part in (
        "slurm-wlm 22",
        "gpu: 4 nodes",
        "at most 1001 tasks",
        "accepted: 1 GPU",
        "longtake",
    ):
        assert part in text
    assert not list(Path(site.folder, "runs").glob(".longtake-probe*"))
    assert site.harness("doctor", "executor=site.yaml", "--probe") == 1
    assert "no: torch sees 0, 1 requested" in " ".join(site.printed.split())
    assert site.harness("doctor", "executor=site.yaml", "executor.slurm.account=nobody") == 1
    assert "Invalid account" in " ".join(site.printed.split())


def test_a_task_that_requests_a_gpu_fails_without_one(
    full: ThrowawayCluster, site_on: MakeSite
) -> None:
    """It must not run on CPUs instead."""
    site = site_on(full)
    units = [argument for argument in UNITS if not argument.startswith("device")]
    site.harness("sweep", "--no-report", *units, "seed=0", f"name={site.name}")
    (path,) = site.store.glob("slurm/*/shards/*.json")
    assert Shard.read(path).device == "cuda"
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert site.on_store("status") == 1
    assert "0 CUDA devices" in site.printed
