from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config.slurm_profile import SlurmProfile, StageProfile
from slurm.doctor import judge, requests
from slurm.probe import NodeFacts, ProbeTask
from slurm.requests import Request

FIT = NodeFacts("n1", "3.12.1", "0.1", "2.13.0", 1, 0.5, "")
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
def test_the_cluster_is_asked_for_what_the_sweep_would_ask_for(
    suites: list[str], device: str, gpus: int
) -> None:
    assert requests(SlurmProfile(), device, suites)["evaluate"].gpus == gpus
    given = SlurmProfile(evaluate=StageProfile(gpus=2))
    assert requests(given, device, suites)["evaluate"].gpus == 2


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        (FIT, []),
        (replace(FIT, gpus=0), ["torch sees 0, 1 asked for"]),
        (replace(FIT, clock_ahead_s=-312.0), ["-312 s ahead of the file system's"]),
        (replace(FIT, slurm_trouble="there is no squeue"), ["there is no squeue"]),
    ],
)
def test_a_node_that_is_not_fit_is_no_good_news(facts: NodeFacts, wrong: list[str]) -> None:
    assert [finding.answer for finding in judge(facts, REQUEST, "auto") if not finding.ok] == wrong


def test_a_node_without_gpus_is_fit_where_none_is_computed_on() -> None:
    none = replace(FIT, gpus=0)
    assert all(finding.ok for finding in judge(none, replace(REQUEST, gpus=0), "auto"))
    assert all(finding.ok for finding in judge(none, REQUEST, "cpu"))


def facts_here(folder: Path) -> str:
    ProbeTask()(str(folder / "facts.json"))
    return (folder / "facts.json").read_text()


def test_a_probe_tries_what_requeueing_needs(
    fake_slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_slurm({"scontrol": "exit 1: Munge decode failed"})
    assert "scontrol failed: Munge decode failed" in facts_here(tmp_path)
    fake_slurm({})
    assert '"slurm_trouble": ""' in facts_here(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no squeue and no scontrol" in facts_here(tmp_path)
