"""The corpus command: the same files from every executor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.core.errors import LongtakeError
from harness.store.run_store import RunStore
from harness.studies.encoders.corpus import pack_corpus
from methods.encoders.corpus import Corpus, CorpusIndex, Sample
from tests.harness.support import records

FAST = (
    "backbone.denoising_step_list=[1000]",
    "duration=1.5",
    "backbone=street,street_window",
    "num=1",
    "shard_videos=1",
    "device=cpu",
)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_bytes_for_any_number_of_workers_and_after_a_loss(cli, tmp_path: Path) -> None:
    assert cli("latents", "name=one", *FAST).code == 0
    assert cli("latents", "name=two", *FAST, "executor=processes", "workers=2").code == 0
    one, two = (files(tmp_path / "runs" / name / "corpus") for name in ("one", "two"))
    assert list(one) == ["index.json", "latents-00000.safetensors", "latents-00001.safetensors"]
    assert one == two
    corpus = Corpus.load(tmp_path / "runs" / "one")
    assert [sample.name for sample in corpus.index.samples] == [f"{i:06d}" for i in range(2)]
    assert [name.partition("@")[0] for name in corpus.index.backbones] == [
        "street",
        "street_window",
    ]
    assert corpus.read(1).shape == (6, 16, 8, 8)
    # A lost shard and a lost unit are made again; the rest stays.
    store = tmp_path / "runs" / "one"
    before = {unit: record["finished"] for unit, record in records(store).items()}
    lost = corpus.index.samples[0].unit_id
    (store / "units" / lost / "record.json").unlink()
    (store / "corpus" / "latents-00000.safetensors").write_bytes(b"torn")
    result = cli("latents", "name=one", *FAST)
    assert result.code == 0, result.err
    assert files(store / "corpus") == one
    after = {unit: record["finished"] for unit, record in records(store).items()}
    assert {unit for unit in before if unit != lost and before[unit] != after[unit]} == set()


def test_videos_of_a_sweep_are_reused(cli, tmp_path: Path) -> None:
    options = [option for option in FAST if not option.startswith(("num", "shard", "backbone=s"))]
    assert cli("sweep", "--no-report", "suite=[]", "prompts.num=1", *options).code == 0
    result = cli("latents", "name=main", "num=1", "out=elsewhere", *options)
    assert result.code == 0
    assert "generate" not in result.out
    assert json.loads((tmp_path / "elsewhere" / "index.json").read_text())["schema"] == 1


def test_latents_that_are_not_finite_are_refused_and_no_older_index_stays(tmp_path: Path) -> None:
    store, folder = RunStore(tmp_path / "runs" / "c"), tmp_path / "corpus"

    def index(*seeds: int) -> CorpusIndex:
        samples = [
            Sample(f"{seed:06d}", "latents-00000.safetensors", f"u{seed}", "b", "p", seed, 3)
            for seed in seeds
        ]
        return CorpusIndex((16, 2, 2), ("b@1",), tuple(samples))

    latents = torch.zeros(4, 16, 2, 2)
    store.save_latents("u0", latents, "")
    corpus = pack_corpus(index(0), store, folder, lambda name: None)
    assert corpus.sha256 == index(0).sha256
    latents[1, 5, 1, 0] = float("nan")
    store.save_latents("u1", latents, "")
    with pytest.raises(LongtakeError, match=r"000001.*not finite from latent frame 1 on.*u1"):
        pack_corpus(index(0, 1), store, folder, lambda name: None)
    assert not (folder / "index.json").exists()
    latents[1, 5, 1, 0] = 0.0
    latents[3] = float("inf")  # beyond what the corpus takes
    store.save_latents("u1", latents, "")
    assert len(pack_corpus(index(0, 1), store, folder, lambda name: None)) == 2


def test_on_a_cluster_videos_are_submitted_and_the_next_command_is_printed(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[int] = []

    def submit(units, *others) -> int:
        submitted.append(len(units))
        return 0

    monkeypatch.setattr("harness.cli.submit.submit_sweep", submit)
    result = cli("latents", "executor=slurm", "name=c", *FAST)
    assert (result.code, submitted) == (0, [2])
    assert "status runs/c shows that these videos are done" in result.out
    assert "python -m harness latents executor=slurm name=c" in result.out


def test_mistakes_are_answered_in_one_line(cli) -> None:
    assert "num= and prompts.num=" in cli("latents", "num=1", "prompts.num=2").err
    assert "num=0: expected a whole number from 1" in cli("latents", "num=0").err
    assert "leave out suite=" in cli("latents", "suite=offline").err
    twice = cli("latents", "num=1", "method=sliding_window", "seed=0", "prompts=street,street")
    assert "the same videos" in twice.err
