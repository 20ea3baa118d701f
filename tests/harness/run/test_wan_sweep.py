"""The whole path of a released backbone, at small size and with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.config.options import options
from tests.harness.support import records, video_hashes

pytestmark = pytest.mark.slow

STORE = Path("runs/main")
FAST = (
    "backbone.weights=random",
    "backbone.flavor=debug",
    "backbone.denoising_step_list=[1000,500]",
    "prompts=scenes",
    "prompts.num=1",
    "duration=3",
    "suite=[]",
    "device=cpu",
    "threads=1",
)


def sweep(*arguments: str) -> tuple[str, ...]:
    return ("sweep", "--no-report", *FAST, *arguments)


def test_every_strategy_runs_on_it(cli) -> None:
    """All strategies but that of the street, and those that need a file; one gets its file."""
    methods = set(options("method")) - {"oracle", "rag_autoencoder", "street_oracle", "external"}
    names = ",".join(sorted(methods))
    result = cli(*sweep("backbone=longlive_official", f"method={names}", "duration=6"))
    assert result.code == 0, result
    assert len(records(STORE)) == len(methods)
    # The layouts of retrieval agree for so short a video, and so do some of the controls.
    assert len(set(video_hashes(STORE).values())) >= 6
    trace = next(STORE.glob("units/*/trace.jsonl"))
    assert cli(*sweep("backbone=longlive", "method=oracle", f"method.trace={trace}")).code == 0


def facts(store: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in (store / "units.jsonl").read_text().splitlines()]
    made = records(store)
    return {
        f"{line['backbone']} {line['method']}": made[line["unit_id"]]["generation"]["facts"]
        for line in lines
    }


def test_a_record_says_what_a_row_of_the_leaderboard_is(cli) -> None:
    assert cli(*sweep("backbone=longlive,longlive_official", "method=native,rag")).code == 0
    by_row = {(row.split()[0], row.split()[-1]): values for row, values in facts(STORE).items()}
    assert by_row["longlive_official", "native"] == {
        "backbone_plugin": "longlive",
        "method_plugin": "native",
        "trained_latents": 240,
        "licence": "none (random weights)",
        "weights": "random",
        "official_setting": True,
        "long_setting": True,
        "prompt_cut_tokens": 0,
    }
    official = {row for row, values in by_row.items() if values["official_setting"]}
    assert official == {("longlive_official", "native")}


def test_a_prompt_that_is_cut_is_recorded(cli) -> None:
    Path("long.txt").write_text("word " * 528)
    arguments = sweep("backbone=self_forcing", "prompts=long.txt", "duration=0.75")
    refused = cli(*arguments)
    assert refused.code == 2
    assert "529 words" in refused.err
    assert cli(*arguments, "backbone.long_prompt=cut").code == 0
    (record,) = records(STORE).values()
    assert record["generation"]["facts"]["prompt_cut_tokens"] == 17


def test_workers_make_the_same_bytes_as_one_process(cli) -> None:
    arguments = sweep("backbone=causal_forcing", "method=rag", "seed=0,1")
    assert cli(*arguments, "name=here").code == 0
    processes = ("executor=processes", "workers=2")
    assert cli(*arguments, "name=there", *processes).code == 0
    assert len(records(Path("runs/here"))) == 2
    assert video_hashes(Path("runs/here")) == video_hashes(Path("runs/there"))


def test_a_longer_duration_extends_existing_videos(cli) -> None:
    cli(*sweep("backbone=self_forcing", "method=rag"))
    cli(*sweep("backbone=self_forcing", "method=rag", "duration=6", "name=fresh"))
    cli(*sweep("backbone=self_forcing", "method=rag", "duration=6"))
    (record,) = records(STORE).values()
    assert record["generation"]["timings_s"]["replay"] > 0
    assert video_hashes(STORE) == video_hashes(Path("runs/fresh"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["backbone=self_forcing", "backbone.weights=random", "method=native"],
            "use backbone.setting=official",
        ),
        (["backbone=street", "method=native", "prompts=street"], "no window of its authors"),
        (["backbone=self_forcing", "backbone.flavor=debug"], "add backbone.weights=random"),
        (["backbone=longlive"], "python -m harness fetch-weights backbone=longlive"),
        (["backbone=self_forcing", "backbone.setting=officail"], "benchmark, official"),
    ],
)
def test_a_mistake_is_one_clear_line(cli, monkeypatch, arguments: list[str], message: str) -> None:
    monkeypatch.setenv("LONGTAKE_WEIGHTS", "nowhere")
    result = cli("sweep", "prompts=scenes", "prompts.num=1", "duration=3", *arguments)
    assert result.code == 2, result
    assert message in result.err
    assert result.err.count("\n") == 1


def test_doctor_and_list_name_files_without_reading_them(cli, monkeypatch, tmp_path) -> None:
    from harness.core import weights_files

    monkeypatch.setenv("LONGTAKE_WEIGHTS", str(tmp_path / "w"))
    vae = tmp_path / "w/Wan-AI/Wan2.1-T2V-1.3B/Wan2.1_VAE.pth"
    vae.parent.mkdir(parents=True)
    vae.write_bytes(b"")

    def refuse(*_: object) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr(weights_files, "_sha256", refuse)
    doctor = cli("doctor")
    assert doctor.code == 0
    assert "missing: generator, text_encoder, tokenizer" in " ".join(doctor.out.split())
    assert "found: vae" in doctor.out
    assert "longlive_official" in cli("list", "backbones").out


def test_scripts_run_on_it_under_every_policy(cli) -> None:
    """Every prompt of a script is embedded before the text encoder makes room for the models."""
    segments = [{"seconds": 1.5, "prompt": text} for text in ("a red fox", "a boat on a river")]
    Path("s.jsonl").write_text(json.dumps({"id": "a", "segments": segments}))
    policies = "method.switch=keep,recache,flush"
    result = cli(*sweep("backbone=longlive", "prompts=s.jsonl", policies))
    assert result.code == 0, result
    assert len(set(video_hashes(STORE).values())) == 3
    made = records(STORE).values()
    assert {record["script"]["segments"][1]["first_latent"] for record in made} == {6}
