"""Failing units and dying tasks: verdicts, limited attempts, nothing done twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from slurm.status.verdicts import Verdict
from slurm.submission import JobStage
from slurm.testcluster.cluster import ThrowawayCluster
from tests.slurm.cluster.site import UNITS, Site

MakeSite = Callable[[ThrowawayCluster], Site]


def repaired(site: Site, undisturbed: dict[str, str], num_units: int = 2) -> None:
    """Check that `resume` does the rest in the right bytes and leaves earlier results alone."""
    made = {path: path.stat().st_mtime_ns for path in site.store.glob("units/*/record.json")}
    site.fault(None)
    assert site.on_store("resume") == 0, site.printed
    state = site.wait_until_over()
    assert {shard.verdict for shard in state.shards} == {Verdict.done}, site._report()
    assert site.on_store("status") == 0
    assert len(site.hashes()) == num_units
    assert site.hashes().items() <= undisturbed.items()
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_a_raising_unit_fails_alone(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(bare)
    site.fault("raise 0")
    site.sweep("seed=0,1")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert len(shard.left) == len(shard.failed) == 1
    assert site.on_store("status") == 1
    assert "no plan today" in site.printed
    assert "seed 0" in site.printed
    assert site.on_store("logs") == 0
    assert str(shard.log()) in site.printed
    repaired(site, undisturbed)


def test_a_dying_process_fails_its_shard(
    either: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    """With and without accounting."""
    site = site_on(either)
    site.fault("exit 1")
    site.sweep("seed=0,1")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert len(shard.left) == 1
    assert shard.error.startswith("FAILED")
    assert shard.node
    assert shard.attempts[-1].item == shard.left[0]
    assert site.on_store("status") == 1
    assert f"on {shard.node}" in site.printed
    repaired(site, undisturbed)


def test_a_unit_that_fails_repeatedly_is_skipped(
    bare: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(bare)
    site.fault("exit 0")
    site.sweep("seed=0,1", "executor.slurm.max_attempts=2")
    site.wait_until_over()
    assert site.on_store("resume") == 0
    site.wait_until_over()
    assert not site.hashes()  # seed 0 comes first and kills its task
    assert site.on_store("resume") == 0
    assert "Skipped 1 item after 2 attempts that failed or saved nothing." in site.printed
    assert "resume --again" in site.printed
    site.wait_until_over()
    assert len(site.hashes()) == 1
    assert site.on_store("resume") == 1, "only what was given up is missing"
    assert "Nothing is missing" not in site.printed
    site.fault(None)
    assert site.on_store("resume", "--again") == 0
    site.wait_until_over()
    assert site.hashes().items() <= undisturbed.items()
    assert len(site.hashes()) == 2


def test_a_task_that_exceeds_its_memory(
    either: ThrowawayCluster, site_on: MakeSite, undisturbed: dict[str, str]
) -> None:
    site = site_on(either)
    site.fault("memory 0")
    site.sweep("seed=0")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert shard.error.startswith("out of memory")
    repaired(site, undisturbed, num_units=1)


def test_a_missing_python_is_reported(bare: ThrowawayCluster, site_on: MakeSite) -> None:
    site = site_on(bare)
    site.sweep("seed=0", "executor.slurm.python=/nowhere/python")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert "/nowhere/python" in shard.error
    assert "No such file" in shard.error


def test_missing_weights_are_reported(bare: ThrowawayCluster, site_on: MakeSite) -> None:
    site = site_on(bare)
    (site.folder / "weightless.py").write_text(
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "from backbones.street.backbone import StreetBackbone\n"
        "from harness.core.errors import LongtakeError\n"
        "@dataclass\n"
        "class Weightless(StreetBackbone):\n"
        "    def load(self, device, prompts):\n"
        "        raise LongtakeError('No weights at /models/a.pt; get them by ...')\n"
    )
    site.sweep("seed=0", "backbone=weightless:Weightless")
    (shard,) = site.wait_until_over().shards
    assert shard.verdict is Verdict.failed
    assert site.on_store("status") == 1
    assert "No weights at /models/a.pt" in site.printed


def test_reused_job_ids_are_not_taken_for_ours(
    site_on: MakeSite, bare: ThrowawayCluster, undisturbed: dict[str, str]
) -> None:
    """A new cluster counts from 1 again: another job gets the id of ours, which is lost."""
    bare.start(fresh=True)
    site = site_on(bare)
    site.hold(0)
    site.sweep("seed=0,1")
    (before,) = site.shards()
    bare.stop()
    bare.start(fresh=True)
    shutil.rmtree(site.store / "units", ignore_errors=True)
    site.release()
    for _ in range(3):  # trial submissions use up ids, too
        site.slurm("sbatch", "-o", "/dev/null", "--wrap", "sleep 20")
    assert before.task_id in site.slurm("squeue", "-h", "-o", "%A").split()
    (shard,) = site.shards()
    assert shard.verdict is Verdict.lost
    assert site.on_store("status") == 1
    assert "lost" in site.printed
    repaired(site, undisturbed)
    folders = {path.parent.name for path in site.store.glob("slurm/*/submitit")}
    assert len(folders) == 2


def test_a_record_of_a_shorter_video_does_not_count(
    bare: ThrowawayCluster, site_on: MakeSite
) -> None:
    site = site_on(bare)
    site.sweep("seed=0", "duration=1.5", "executor=inline")
    site.sweep("seed=0", "duration=3", "executor.slurm.python=/nowhere/python")
    (shard,) = site.wait_until_over().shards
    assert len(shard.left) == 1


def test_scoring_and_report_after_a_failure(full: ThrowawayCluster, site_on: MakeSite) -> None:
    """Scoring of a shard that died is cancelled; the report shows what there is."""
    site = site_on(full)
    site.fault("exit 0")
    arguments = ("seed=0,1", "suite=flicker_stability", "executor.slurm.shard_min=0.2")
    code = site.harness("sweep", *_without_suite(), f"name={site.name}", *arguments)
    assert code == 0, site.printed
    site.wait_until_over()
    verdicts = {stage: sorted(shard.verdict for shard in site.shards(stage)) for stage in JobStage}
    assert verdicts == {
        JobStage.generate: [Verdict.done, Verdict.failed],
        JobStage.evaluate: [Verdict.done, Verdict.failed],
        JobStage.report: [Verdict.done],
    }
    page = site.store / "report/index.html"

    def renewed_ns() -> int:
        """Return the newest time of the page's files; unchanged files are not written again."""
        return max(path.stat().st_mtime_ns for path in page.parent.rglob("*"))

    before = renewed_ns()
    site.fault(None)
    assert site.on_store("resume") == 0
    site.wait_until_over()
    assert site.on_store("status") == 0, site.printed
    assert renewed_ns() > before
    assert len(list(Path(site.store, "metrics/flicker_stability").iterdir())) == 2
    assert f"leaderboard: {page}" in site.printed


def _without_suite() -> list[str]:
    return [argument for argument in UNITS if not argument.startswith("suite")]
