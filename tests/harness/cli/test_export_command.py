"""Exports of a run store for other tools: data sets, JSON and grids."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pandas as pd
import pytest
import yaml

from eval.video.decode import probe
from harness.store.frames import load_sweep
from tests.reports.synthetic import METHODS, write_store, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_video(root / "video.mp4", hue=0.5)
    write_store(root / "demo", dict.fromkeys(METHODS, root / "video.mp4"))
    return root / "demo"


@pytest.fixture
def store(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "runs" / "demo"))


def test_data_set_has_tables_a_card_and_videos(cli, store: Path, tmp_path: Path) -> None:
    result = cli("export", "demo", "out=data", "--videos")
    assert result.code == 0, result.err
    card = (tmp_path / "data" / "README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    names = {config["config_name"]: config for config in header["configs"]}
    assert set(names) == {"units", "scores", "curves", "timings", "videos"}
    frames = {
        name: pd.read_parquet(tmp_path / "data" / config["data_files"])
        for name, config in names.items()
        if "data_files" in config
    }
    assert (len(frames["units"]), len(frames["scores"])) == (36, 35 * 2 * 4)
    assert {"backbone", "method", "prompt", "metric", "value"} <= set(frames["scores"])
    assert str(tmp_path) not in card
    metadata = pd.read_parquet(tmp_path / "data" / "videos" / "metadata.parquet")
    assert len(metadata) == 35
    assert all((tmp_path / "data" / "videos" / name).is_file() for name in metadata["file_name"])
    again = cli("export", "demo", "out=data")
    assert again.code == 2 and "expected an empty folder" in again.err


class FakeWandb:
    """The part of wandb's interface that is used, and what it was told."""

    def __init__(self) -> None:
        self.runs: list[FakeWandb] = []
        self.settings: dict[str, object] = {}
        self.logged: list[dict[str, object]] = []
        self.summary: dict[str, float] = {}
        self.rows: list[tuple[object, ...]] = []
        self.finished = False

    def init(self, **settings: object) -> FakeWandb:
        self.runs.append(FakeWandb())
        self.runs[-1].settings = settings
        return self.runs[-1]

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("over time/*", "seconds")

    def log(self, values: dict[str, object]) -> None:
        self.logged.append(values)

    def finish(self) -> None:
        self.finished = True

    def Table(self, columns: list[str]) -> FakeWandb:
        assert columns == ["prompt_id", "prompt", "seed", "video"]
        return FakeWandb()

    def add_data(self, *cells: object) -> None:
        self.rows.append(cells)

    def Video(self, path: str, format: str) -> str:
        assert Path(path).is_file() and format == "mp4"
        return path


def test_rows_are_runs_of_weights_and_biases(
    cli, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    result = cli("export", "demo", "to=wandb", "project=p", "--videos")
    assert result.code == 0, result.err
    assert len(fake.runs) == 6 and all(run.finished for run in fake.runs)
    sweep = load_sweep(store)
    (failed,) = sweep.units[sweep.units["status"] == "failed"].itertuples()
    configs = [run.settings["config"] for run in fake.runs]
    assert str(tmp_path) not in json.dumps(configs)
    # A row that has the video which a row beside it lacks.
    run, row = next(
        (run, row)
        for run, row in zip(fake.runs, configs, strict=True)
        if isinstance(row, dict)
        and row["backbone"] == failed.backbone
        and row["method"] != failed.method
    )
    assert run.settings["project"] == "p"
    units = sweep.units[
        (sweep.units["backbone"] == row["backbone"]) & (sweep.units["method"] == row["method"])
    ]
    asked = sweep.units[["unit_id", "backbone", "method", "prompt_id", "seed"]]
    scores = sweep.moving_scores.merge(asked, on="unit_id")
    rivals = scores[scores["backbone"] == row["backbone"]].groupby(["prompt_id", "seed"])
    everywhere = rivals.filter(lambda lines: lines["method"].nunique() == len(METHODS))
    assert failed.unit_id not in set(everywhere["unit_id"])
    assert len(everywhere) < len(scores[scores["backbone"] == failed.backbone])
    own = everywhere[everywhere["unit_id"].isin(units["unit_id"])]
    for (suite, metric, length), values in own.groupby(["suite", "metric", "duration_s"])["value"]:
        key = f"{suite}/{metric}/{length:g}"
        assert run.summary.get(key) == (pytest.approx(values.mean()) if values.any() else None)
    *curve, videos = run.logged
    assert [line["seconds"] for line in curve] == sorted(
        {(line.start_s + line.end_s) / 2 for line in sweep.curves.itertuples()}
    )
    table = videos["videos"]
    assert isinstance(table, FakeWandb) and len(table.rows) == (units["status"] == "done").sum()


class FakeWriter:
    """The part of TensorBoard's writer that is used, and the steps it was told of each tag."""

    steps: ClassVar[dict[tuple[str, str], list[int]]] = {}

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.steps.setdefault((self._folder, tag), []).append(step)

    def add_text(self, tag: str, text: str) -> None:
        assert tag == "settings"

    def close(self) -> None:
        pass


def test_steps_of_tensorboard_are_times_in_ms(
    cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = SimpleNamespace(SummaryWriter=FakeWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    result = cli("export", "demo", "to=tensorboard", "out=logs")
    assert result.code == 0, result.err
    numbers = {tag: steps for (_, tag), steps in FakeWriter.steps.items() if "scores" in tag}
    assert set(map(tuple, numbers.values())) == {(30_000, 60_000)}
    curves = [steps for (_, tag), steps in FakeWriter.steps.items() if "over time by ms/" in tag]
    assert curves and all(len(set(steps)) == len(steps) for steps in curves)


@pytest.mark.parametrize("to", ["wandb", "tensorboard"])
def test_a_missing_package_is_one_line(
    cli, store: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    for name in ("wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    result = cli("export", "demo", f"to={to}")
    assert result.code == 2 and f"to={to} needs a package: pip install {to}" in result.err
    assert result.err.count("\n") == 1


def test_report_prints_json(cli, store: Path) -> None:
    result = cli("report", "demo", "--json", "assets=none")
    assert result.code == 0, result.err
    printed = json.loads(result.out)
    table = next(t for t in printed["tables"] if t["duration_s"] == 30)
    row = next(r for r in table["rows"] if r["method"] == "rag layout=aged")
    assert (table["suite"], row["subject"], row["text"]) == ("offline", pytest.approx(0.85), None)
    assert printed["counts"]["failed"] == 1
    assert all(Path(path).is_file() for path in printed["files"])


def test_grid_shows_the_chosen_rows(cli, store: Path, tmp_path: Path) -> None:
    chosen = ("backbone=tiny_short", "method=random,sliding_window", "columns=2")
    result = cli("grid", "demo", *chosen, "duration=0.5", "height=64", "out=g.mp4")
    assert result.code == 0, result.err
    assert "2 videos of p0" in result.out
    info = probe(tmp_path / "g.mp4")
    assert (info.width, info.num_frames) == (192, 8)
    labelled = ("backbone=tiny_short", "method=rag layout=aged", "duration=0.2", "out=h.webp")
    assert cli("grid", "demo", *labelled).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("method=randm",), "Did you mean 'random'"),
        (("prompt=p9",), "Unknown prompt 'p9'"),
        (("seed=7",), "Unknown seed '7'"),
        (("out=grid.gif",), "written as .mp4 or .webp"),
    ],
)
def test_mistake_of_a_grid_is_one_line(cli, store: Path, arguments, said: str) -> None:
    result = cli("grid", "demo", *arguments)
    assert result.code == 2 and said in result.err and result.err.count("\n") == 1


def test_fidelity_compares_pairs_with_one_method(cli, store: Path) -> None:
    for record in (store / "units").glob("*/record.json"):
        if not record.parent.name.startswith("tiny_short") or record.parent.name[-4:] != "p0-1":
            record.unlink()
    result = cli("fidelity", "demo", "reference=sliding_window")
    assert result.code == 0, result.err
    pairs = pd.read_csv(store / "fidelity.csv")
    assert pairs["method"].tolist() == ["rag layout=aged", "random"]
    assert pairs["psnr_db"].eq(100).all() and pairs["reason"].isna().all()  # one file for all
    assert result.out.count("1 of 1") == 2
    assert pairs["lpips"].isna().all()
    said = " ".join(result.out.split())
    assert "without LPIPS: weights missing" in said and "fetch-weights suite=fidelity" in said
    assert "Did you mean 'random'" in cli("fidelity", "demo", "reference=randm").err


def test_votes_are_counted_with_the_key_of_their_page(cli, store: Path, tmp_path: Path) -> None:
    no_page = cli("vote", "demo", "votes=a.json")
    assert no_page.code == 2 and "make the page first" in no_page.err
    made = cli("vote", "demo", "pairs=4")
    assert made.code == 0 and "about 194 votes" in made.out
    key = json.loads((store / "vote_key.json").read_text())
    ballot = {"page": key["page"], "voter": "1", "votes": dict.fromkeys(key["pairs"], "tie")}
    (tmp_path / "a.json").write_text(json.dumps(ballot))
    (tmp_path / "b.json").write_text(json.dumps(ballot | {"page": "other"}))
    counted = cli("vote", "demo", "votes=a.json", "votes=b.json")
    assert counted.code == 1
    assert "left out: b.json: cast on build 'other'" in counted.out
    assert "1 voters" in counted.out and "+0.00" in counted.out
