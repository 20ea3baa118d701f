from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.slurm_profile import SlurmProfile, StageProfile
from slurm.checks.doctor import judge, requests
from slurm.checks.probe import NodeFacts, ProbeTask
from slurm.plan.resources import Request
from tests.slurm.fake_slurm import FakeSlurm

FIT = NodeFacts("n1", "3.12.1", "0.1", "2.13.0", 1, 0.5, "", "")
REQUEST = Request("gpu", 1, 8, 16, 70)


@pytest.mark.parametrize(
    ("suites", "device", "gpus"),
    [
        (["offline"], "auto", 0),
        (["offline", "vbench_long"], "auto", 1),
        (["aesthetic_quality"], "auto", 1),
        (["vbench_long"], "cpu", 0),
        ([], "auto", 0),
    ],
)
def test_trial_tasks_request_what_the_sweep_would(
    suites: list[str], device: str, gpus: int
) -> None:
    assert requests(SlurmProfile(), device, suites)["evaluate"].gpus == gpus
    given = SlurmProfile(evaluate=StageProfile(gpus=2))
    assert requests(given, device, suites)["evaluate"].gpus == 2


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        (FIT, []),
        (replace(FIT, gpus=0), ["torch sees 0, 1 requested"]),
        (replace(FIT, clock_ahead_s=-312.0), ["-312 s ahead of the file system's"]),
        (replace(FIT, slurm_trouble="there is no squeue"), ["there is no squeue"]),
        (
            replace(FIT, kernel_trouble="no C compiler"),
            ["no C compiler; kernels.compile=false does without"],
        ),
    ],
)
def test_unfit_nodes_are_reported(facts: NodeFacts, wrong: list[str]) -> None:
    assert [finding.answer for finding in judge(facts, REQUEST, "auto") if not finding.ok] == wrong


def test_a_node_without_gpus_is_fit_if_none_is_used() -> None:
    none = replace(FIT, gpus=0, kernel_trouble="no C compiler")
    assert all(finding.ok for finding in judge(none, replace(REQUEST, gpus=0), "auto"))
    assert all(finding.ok for finding in judge(none, REQUEST, "cpu"))


def facts_here(folder: Path) -> str:
    ProbeTask()(str(folder / "facts.json"))
    return (folder / "facts.json").read_text()


def test_a_probe_tries_what_requeueing_needs(
    fake_slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm.fails("scontrol.config", "Munge decode failed")
    assert "scontrol failed: Munge decode failed" in facts_here(tmp_path)
    fake_slurm.prints("scontrol.config", "")
    assert '"slurm_trouble": ""' in facts_here(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no squeue and no scontrol" in facts_here(tmp_path)
