"""Interrupted tasks: they go on from saved progress, and end in the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from slurm.status.verdicts import Verdict
from slurm.testcluster.cluster import ThrowawayCluster
from tests.slurm.cluster.site import Site, is_over

MakeSite = Callable[[ThrowawayCluster], Site]


def started_task(site: Site) -> str:
    """Submit two units in one task, which is held up once it has saved a block."""
    site.hold(3)
    site.sweep("seed=0,1")
    site.wait_until_held()
    (shard,) = site.shards()
    return shard.task_id


def went_on(site: Site, undisturbed: dict[str, str]) -> None:
    """Check that all is done, after several attempts, from saved blocks, in the same bytes."""
    state = site.wait_until_over()
    assert [shard.verdict for shard in state.shards] == [Verdict.done], site._report()
    (shard,) = state.shards
    assert len(shard.attempts) > 1
    assert site.hashes().items() <= undisturbed.items()
    assert len(site.hashes()) == 2
    assert site.on_store("status") == 0
    replayed = [
        json.loads(path.read_text())["generation"]["timings_s"].get("replay", 0)
        for path in site.store.glob("units/*/record.json")
    ]
    assert any(replayed), "no unit went on from saved blocks"


def test_a_preempted_task_continues(
    either: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    """By the signal of --signal on one cluster, by SIGTERM on the other."""
    site = site_on(either)
    task = started_task(site)
    node = site.slurm("squeue", "-h", "-j", task, "-o", "%N").strip()
    site.slurm(
        "sbatch", "-p", "urgent", "-w", node, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1"
    )
    went_on(site, undisturbed)


def test_a_task_requeued_by_hand_continues(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(bare)
    site.slurm("scontrol", "requeue", started_task(site))
    went_on(site, undisturbed)


def test_a_killed_task_continues_after_resume(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(bare)
    site.slurm("scancel", "--signal=KILL", started_task(site))
    state = site.wait_until_over()
    assert [shard.verdict for shard in state.shards] == [Verdict.failed]
    site.release()
    assert site.on_store("resume") == 0
    went_on_after_resume(site, undisturbed)


def test_a_cancelled_sweep_continues_after_resume(
    either: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(either)
    site.hold(3, seed="1")
    site.sweep("seed=0,1")
    site.wait_until_held()
    made = {path: path.stat().st_mtime_ns for path in site.store.glob("units/*/record.json")}
    assert len(made) == 1
    assert site.on_store("cancel") == 0
    state = site.wait_until_over()
    (shard,) = state.shards
    assert shard.verdict is Verdict.failed
    assert "CANCELLED" in shard.error
    assert site.on_store("status") == 1
    assert "CANCELLED" in site.printed
    assert site.on_store("resume") == 0, site.printed
    submitted = site.state().shards
    assert sum(len(s.left) for s in submitted) == 2 - len(made)
    assert site.on_store("resume") == 0
    assert "Already running or queued: " in site.printed
    went_on_after_resume(site, undisturbed)
    assert {path: path.stat().st_mtime_ns for path in made} == made


def went_on_after_resume(site: Site, undisturbed: dict[str, str]) -> None:
    state = site.wait_until_over()
    assert {shard.verdict for shard in state.shards} == {Verdict.done}, site._report()
    assert site.hashes().items() <= undisturbed.items()
    assert site.on_store("status") == 0
    assert site.on_store("resume") == 0
    assert "Nothing is missing" in site.printed


def test_one_shard_running_twice_does_no_harm(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    """As after SLURM lost contact with a node that still runs."""
    site = site_on(bare)
    started_task(site)
    (path,) = site.store.glob("slurm/*/shards/*.json")
    script = f"from slurm.node.task import ShardTask; ShardTask()({str(path)!r})"
    environment = {**os.environ, "SLURM_CONF": str(bare.conf)}
    second = subprocess.Popen(
        [sys.executable, "-P", "-c", script], cwd=site.folder, env=environment
    )
    site.wait_for(lambda state: [bool(a.item) for a in state.shards[0].attempts] == [True, True])
    site.release()
    assert second.wait() == 0
    state = site.wait_until_over()
    assert [shard.verdict for shard in state.shards] == [Verdict.done]
    assert site.hashes().items() <= undisturbed.items()
    # The shard is done once the other process has made all units; the task may still be at work.
    site.wait_until(lambda: not list(site.store.glob("units/*/.*")))


def test_a_sweep_is_accepted_before_any_node_has_registered(
    full: ThrowawayCluster, site_on: MakeSite
) -> None:
    site = site_on(full)
    before = site.slurm("squeue", "-h", "-o", "%A").split()
    full.kill("slurmctld")
    full.start_controller()
    # Nodes register some seconds later; until then `sbatch --test-only` refuses every request.
    site.sweep("seed=0")
    assert "submitted: generate" in site.printed
    assert len(set(site.slurm("squeue", "-h", "-o", "%A").split()) - set(before)) == 1
    assert site.on_store("cancel") == 0


def test_a_killed_controller_needs_at_most_a_resume(
    full: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(full)
    started_task(site)
    # The controller saves its state some seconds after a change: it must know that the task runs.
    begun, saved = time.time(), full.folder / "state/job_state"
    other = site.slurm("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true")
    site.slurm("scancel", other.strip())
    site.wait_until(lambda: saved.stat().st_mtime > begun)
    full.kill("slurmctld")
    assert site.on_store("status") == 1
    assert "SLURM did not answer" in site.printed
    assert site.on_store("resume") == 3
    assert "Nothing was submitted, because SLURM cannot say" in site.printed
    site.release()
    full.start_controller()
    # If the saved state does not have the task on its node yet, the controller starts it again,
    # fails while the node still has it, and holds it until it is released.
    for _ in range(5):
        state = site.wait_for(lambda state: state.held_tasks or is_over(state))
        if not state.held_tasks:
            break
        assert "`resume` releases it" in site.status()
        assert site.on_store("resume") == 0
    assert [shard.verdict for shard in state.shards] == [Verdict.done], site._report()
    assert site.hashes().items() <= undisturbed.items()
