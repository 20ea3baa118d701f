"""Experiments: from a YAML file to a corpus, encoders, a sweep and its tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.core.errors import LongtakeError
from harness.core.events import Interrupted
from harness.core.schema import build, with_defaults
from harness.core.typed_files import read_typed
from harness.store.experiment import StoredExperiment
from harness.studies.encoders.run_config import load_run
from harness.studies.encoders.train import train
from harness.studies.experiments.experiment import Experiment, experiment_names
from harness.studies.experiments.plan import ExperimentPlan
from methods import METHODS
from tests.harness.support import records
from tests.methods.conftest import write_corpus

STEPS = '"backbone.denoising_step_list=[1000]"'
QUICK = f"""
shared: [{STEPS}, prompts.num=1, duration=5.25]
corpus: [{STEPS}, num=2, duration=3]
training: [network.latent_dim=8, "network.hidden_dims=[8,8]", steps=4, batch_chunks=2]
encoders:
  recon: [loss=recon]
rows:
  sliding_window: [method=sliding_window]
  recon: [method=rag_autoencoder, "method.checkpoint=encoder:recon"]
  recon K=6: [method=rag_autoencoder, "method.checkpoint=encoder:recon", method.memory_latents=6]
axes:
  Losses: [sliding_window, recon]
  K: [recon, recon K=6]
"""


BLIND = f"""
shared: [{STEPS}, prompts.num=1, duration=6]
rows:
  random: [method=random]
  oldest: [method=oldest]
axes:
  Blind: [random, oldest]
"""


def test_from_nothing_to_a_table_and_nothing_twice(cli, tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    command = ("sweep", "experiment=quick.yaml", "suite=sky_error", "device=cpu")
    result = cli(*command)
    assert result.code == 0, result.err
    store = tmp_path / "runs" / "quick"
    # recon and recon K=6 are the same video: made once, shown in both tables.
    assert len(records(store)) == 2
    shown = cli("status", "quick")
    assert shown.code == 0
    assert "encoder recon: " in shown.out and "to continue: " not in shown.out
    assert (store / "report" / "ablation" / "index.html").is_file()
    text = (store / "report" / "ablation" / "ablation.md").read_text()
    assert "| Sky error ↓ |" in text
    assert "recon K=6" in text
    stored = read_typed(store / "experiment.json", StoredExperiment)
    assert stored.name == "quick"
    assert stored.axes == {"Losses": ("sliding_window", "recon"), "K": ("recon", "recon K=6")}
    again = cli(*command, "--no-report")
    assert again.code == 0
    assert "generate" not in again.out
    assert "train" not in again.out
    # An encoder found in its place must be the one that the experiment asks for.
    (tmp_path / "quick.yaml").write_text(QUICK.replace("loss=recon", "loss=smooth"))
    assert "loss.smooth_weight is 0.0, not 1.0" in cli(*command).err
    report = cli("report", f"sweep={store}")
    assert str(store / "report" / "ablation" / "index.html") in report.out


def test_status_shows_encoders_while_they_are_trained(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    seen: list[str] = []

    def stop(*_: object) -> None:
        seen.append(cli("status", "quick").out)
        raise Interrupted

    monkeypatch.setattr("harness.studies.experiments.prepare.prepare_encoders", stop)
    command = ("sweep", "experiment=quick.yaml", "suite=sky_error", "device=cpu")
    assert cli(*command).code == 130
    assert "encoder recon: not trained yet" in seen[0]
    after = cli("status", "quick")
    assert after.code == 0
    assert "to continue: python -m harness resume" in after.out


def test_encoders_of_another_corpus_are_refused(tmp_path: Path) -> None:
    """The expected corpus is known from the settings, before it is made."""
    content = yaml.safe_load(QUICK)
    content["rows"] = {"recon": content["rows"]["recon"]}
    content["axes"] = {}
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(content))
    plan = ExperimentPlan.load(str(tmp_path / "quick.yaml"), [f"runs={tmp_path / 'runs'}"])
    write_corpus(plan.corpus.folder, num_samples=2)
    (task,) = plan.encoder_tasks()
    train(load_run(task.arguments), lambda step: None, lambda validation: None, print)
    assert not plan.corpus.packed()
    with pytest.raises(LongtakeError, match="trained on another corpus than"):
        plan.missing_encoders()


def test_on_a_cluster_the_corpus_is_submitted_and_training_waits(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.submit.submit_sweep", lambda *arguments: 0)
    (tmp_path / "quick.yaml").write_text(QUICK)
    # A corpus of an earlier version of the experiment must not be trained on.
    write_corpus(tmp_path / "runs" / "quick_corpus" / "corpus", num_samples=2)
    as_json = cli("sweep", "experiment=quick.yaml", "executor=slurm", "suite=[]", "--json")
    assert as_json.code == 2 and "--json needs --dry-run on SLURM" in as_json.err
    result = cli("sweep", "experiment=quick.yaml", "executor=slurm", "suite=[]")
    assert result.code == 0, result.err
    assert "status runs/quick_corpus shows that these videos are done" in result.out
    assert "python -m harness sweep experiment=quick.yaml executor=slurm" in result.out
    assert not (tmp_path / "runs" / "quick" / "encoders").exists()


def test_training_without_a_result_is_an_error(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.studies.experiments.prepare.make_corpus", lambda *arguments: None)
    monkeypatch.setattr("harness.studies.experiments.prepare.train_encoder", lambda *a: Path("x"))
    monkeypatch.setattr(
        "harness.studies.encoders.corpus_config.CorpusConfig.packed", lambda self: True
    )
    (tmp_path / "quick.yaml").write_text(QUICK)
    result = cli("sweep", "experiment=quick.yaml", "suite=[]", "device=cpu")
    assert result.code == 1
    assert "still missing: recon" in result.err


def test_without_a_suite_retrieved_frames_are_compared(cli, tmp_path: Path) -> None:
    (tmp_path / "blind.yaml").write_text(BLIND)
    result = cli("sweep", "experiment=blind.yaml", "suite=[]", "device=cpu")
    assert result.code == 0, result.err
    store = tmp_path / "runs" / "blind"
    assert "| Coverage ↑ |" in (store / "report" / "ablation" / "ablation.md").read_text()
    assert (store / "report" / "index.html").is_file()


def test_a_dry_run_lists_the_encoders_to_train(cli, tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(QUICK)
    result = cli("sweep", "--dry-run", "experiment=quick.yaml", "suite=[]", "device=cpu")
    assert result.code == 0
    assert "encoders to train first" in result.out
    assert not (tmp_path / "runs" / "quick_corpus").exists()


def test_the_command_line_wins_and_choosing_a_group_drops_its_settings() -> None:
    plan = ExperimentPlan.load("rope", ["backbone=street_window", "prompts.num=1", "duration=3"])
    rows = plan.config().rows
    assert {row.backbone.label for row in rows} == {"street_window"}
    assert all("denoising_step_list" not in row.backbone.args for row in rows)
    assert [len(row.prompts.prompts) for row in rows] == [1] * 6


def test_rope_times_retrieval_differs_in_nothing_else() -> None:
    plan = ExperimentPlan.load("rope", ["prompts.num=1"])
    methods = {row.method.label: row.method for row in plan.config().rows}
    assert len(methods) == 6
    relative, absolute = (
        with_defaults(build(METHODS.load(method.target), method.args, "method"))
        for method in (methods["relative, rag"], methods["absolute, rag"])
    )
    assert (relative.pop("layout"), absolute.pop("layout")) == ("released", "absolute")
    assert relative == absolute


def test_delta_loss_has_two_trainings_of_every_encoder_and_no_row_twice() -> None:
    plan = ExperimentPlan.load("delta_loss", [])
    experiment = plan.experiment
    labels = {task.label for task in plan.encoder_tasks()}
    assert labels == set(experiment.encoders)
    first = {label for label in labels if not label.endswith(" 2nd")}
    assert {f"{label} 2nd" for label in first} == labels - first
    for label in first:
        assert experiment.encoders[f"{label} 2nd"] == [*experiment.encoders[label], "seed=1"]
    assert len({tuple(overrides) for overrides in experiment.rows.values()}) == 40
    compared = {label for axis in experiment.axes.values() for label in axis}
    assert compared == set(experiment.rows)


@pytest.mark.parametrize("name", experiment_names())
def test_every_shipped_experiment_is_sound(name: str) -> None:
    plan = ExperimentPlan.load(name, [])
    assert plan.experiment.axes
    assert plan.store == Path("runs") / name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rows: {}", "has no rows"),
        ("rows: {a: [method=rag]}\naxes: {x: [b]}", "Unknown row of an axis 'b'"),
        ('rows: {a: ["method.checkpoint=encoder:x"]}', "Unknown encoder of a row 'x'"),
        ("rws: {}", "Did you mean 'rows'"),
        ("- a", "must hold keys and values"),
    ],
)
def test_a_file_that_is_no_experiment_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(LongtakeError, match=message) as refused:
        ExperimentPlan.load(str(path), [])
    assert str(path) in str(refused.value)


def test_a_setting_of_a_row_that_cannot_be_used_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("rows: {a: ['method=none_such']}")
    with pytest.raises(LongtakeError, match=r"x\.yaml, row 'a': "):
        ExperimentPlan.load(str(path), []).config()


def test_mistakes_are_answered_in_one_line(cli) -> None:
    assert "Did you mean 'delta_loss'" in cli("sweep", "experiment=delta_los").err
    several = cli("sweep", "--cfg", "experiment=rope", "method.sink_latents=1,2")
    assert "one value per method argument" in several.err
    assert "leave out method=" in cli("sweep", "experiment=rope", "method=rag").err
    assert "given twice" in cli("sweep", "experiment=rope", "experiment=rope").err
    assert Experiment().rows == {}
