"""The retrieval benchmark: exact ground truth, known revisits, and the command."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backbones.engine.spec import BackboneSpec
from backbones.street.backbone import StreetBackbone
from eval.retrieval.measures import means
from harness.core.errors import LongtakeError
from harness.run.video_writer import VideoWriter
from harness.studies.retrieval.benchmark import block_queries, run_benchmark
from harness.studies.retrieval.choices import choose_encoder, choose_encoders
from harness.studies.retrieval.embedding import mean_keys
from harness.studies.retrieval.revisits import panned_photo, shots_video
from harness.studies.retrieval.videos import RetrievalVideo, street_videos
from methods.encoders.checkpoint import SHIPPED
from methods.retrieval import Retrieval
from tests.small import WEIGHTS


@pytest.fixture(scope="module")
def spec() -> BackboneSpec:
    return StreetBackbone().spec()


@pytest.fixture(scope="module")
def walks() -> list[RetrievalVideo]:
    return street_videos(2, 84, 0)


def test_a_walk_knows_its_places_and_what_comes(walks: list[RetrievalVideo]) -> None:
    for video in walks:
        place, following = video.gains["place"], video.gains["next"]
        assert np.allclose(place, place.T) and np.allclose(np.diag(place), 1)
        assert np.allclose(following[:-3], place[3:])
        assert video.frames_NHWC.shape == (84, 64, 64, 3)
        assert video.latents_NCHW.shape == (84, 16, 8, 8)
        # Frames of one place look alike, others don't.
        frames = video.frames_NHWC.astype(float) / 255
        apart = np.array([[np.abs(a - b).mean() for b in frames[::4]] for a in frames[::4]])
        same = (place[::4, ::4] > 0.97) & ~np.eye(21, dtype=bool)
        assert same.any()
        assert apart[same].mean() < 0.5 * apart[place[::4, ::4] < 0.3].mean()


def test_encoders_find_the_place_in_view_and_less_of_what_comes(
    walks: list[RetrievalVideo], spec: BackboneSpec
) -> None:
    names: list[str] = []
    encoders = [choose_encoder(name) for name in ("flat", "avg_pool")]
    found = run_benchmark(walks, encoders, Retrieval(), spec, names.append)
    assert names == [video.name for video in walks]
    recall = {
        (searcher, about): np.mean(
            [
                means(one.results)["recall"] or 0.0
                for one in found.searched
                if (one.searcher, one.about) == (searcher, about)
            ]
        )
        for searcher in ("flat", "avg_pool", "random", "oracle")
        for about in ("place", "next")
    }
    assert recall["oracle", "place"] == recall["oracle", "next"] == 1.0
    for searcher in ("flat", "avg_pool"):
        assert recall[searcher, "next"] < recall[searcher, "place"] <= 1
        assert recall["random", "place"] < recall[searcher, "place"]


def test_queries_are_those_of_a_rollout(spec: BackboneSpec) -> None:
    queries = block_queries(60, Retrieval(), spec)
    assert queries[0].frame == 17
    assert list(queries[0].candidates) == [1]
    assert list(queries[-1].candidates) == list(range(1, 41))


def test_labels_of_encoders_differ(tmp_path: Path) -> None:
    def choose(*texts: str) -> list[str]:
        return [choice.label for choice in choose_encoders(texts)]

    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
        for name in ("best", "last"):
            shutil.copy(SHIPPED / "street_recon.safetensors", folder / f"{name}.safetensors")
    best, last, other = (
        f"autoencoder@{path}.safetensors"
        for path in (folders[0] / "best", folders[0] / "last", folders[1] / "best")
    )
    assert choose(best, other, "avg_pool") == ["autoencoder@one", "autoencoder@two", "avg_pool"]
    assert choose(best, last) == [best, last]
    with pytest.raises(LongtakeError, match="named twice"):
        choose("flat", "avg_pool", "flat")


def test_keys_are_those_of_the_backbone_that_made_the_rollout(
    walks: list[RetrievalVideo], spec: BackboneSpec
) -> None:
    short = replace(walks[0], latents_NCHW=walks[0].latents_NCHW[:24])
    small = f"street weights={WEIGHTS}"
    videos = [
        replace(short, name=label, kind="rollouts", gains={}, backbone=label)
        for label in ("street", small, "mine")
    ]
    keys = [choose_encoder("mean_keys")]
    found = run_benchmark(videos, keys, Retrieval(), spec, print)
    assert found.skipped == {"mean_keys on rollouts of mine": "it is not an embedded backbone"}
    backbone = StreetBackbone().load(torch.device("cpu"), [])
    expected = keys[0].encoder.embed(mean_keys(short, backbone))
    assert np.allclose(found.embeddings["mean_keys", "street"], expected, atol=1e-5)
    assert found.embeddings["mean_keys", small].shape[1] < expected.shape[1]


def test_random_covers_no_more_than_one_draw_can(
    walks: list[RetrievalVideo], spec: BackboneSpec
) -> None:
    found = run_benchmark(walks[:1], [], Retrieval(), spec, print)
    drawn = next(one for one in found.searched if one.searcher == "random")
    queries = block_queries(84, Retrieval(), spec)
    assert len(drawn.results) == drawn.num_rounds * len(queries)
    rounds = means(drawn.results, drawn.num_rounds)["coverage"]
    assert rounds is not None
    assert rounds < (means(drawn.results)["coverage"] or 0)


def test_a_photograph_comes_back_where_the_camera_does(tmp_path: Path) -> None:
    y, x = np.mgrid[0:200, 0:400]
    picture = np.stack([x % 256, y, (x + y) % 256], axis=-1).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    video = panned_photo(tmp_path / "p.png", 41)
    view = video.gains["view"]
    assert video.latents_NCHW.shape == (41, 16, 8, 8)
    assert view[0, 20] > 0.9  # once to and fro
    assert view[0, 10] < 0.2  # the far end
    frames = video.frames_NHWC.astype(float)
    assert np.abs(frames[2] - frames[22]).mean() < 0.5 * np.abs(frames[2] - frames[12]).mean()
    with pytest.raises(LongtakeError, match="can't be read as a picture"):
        panned_photo(tmp_path / "none.png", 41)


def test_shots_come_back_after_all_the_others(tmp_path: Path) -> None:
    path = tmp_path / "shots.mp4"
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = np.concatenate([np.full((40, 64, 64, 3), color, dtype=np.uint8) for color in colors])
    with VideoWriter(path, 16, 64, 64) as writer:
        writer.write(frames)
    video = shots_video(path)
    shot = video.gains["shot"]
    assert shot.shape == (30, 30)
    assert list(shot[0].nonzero()[0]) == [*range(5), *range(15, 20)]
    with VideoWriter(path, 16, 64, 64) as writer:
        writer.write(frames[:40])
    with pytest.raises(LongtakeError, match="found 1 shots"):
        shots_video(path)


def test_the_command_writes_tables_and_pictures(cli, tmp_path: Path) -> None:
    result = cli(
        "retrieval", "street=1", "seconds=12", "encoder=avg_pool,flat", "threads=1", "out=r"
    )
    assert result.code == 0, result.err
    folder = tmp_path / "r"
    assert "same place" in (folder / "retrieval.md").read_text()
    page = (folder / "index.html").read_text()
    pictures = sorted(path.name for path in folder.glob("*.png"))
    assert len(pictures) == 4
    assert all(picture in page for picture in pictures)


def test_drift_and_maps_of_a_sweep(cli, tmp_path: Path) -> None:
    sweep = cli(
        "sweep", "--no-report", "backbone.denoising_step_list=[1000,400]", "duration=6.75",
        "method=rag", "prompts.num=1", "suite=sky_error", "device=cpu",
    )  # fmt: skip
    assert sweep.code == 0
    result = cli("retrieval", "sweep=runs/main", "out=r")
    assert result.code == 0, result.err
    assert (tmp_path / "r" / "sweep_00.png").stat().st_size > 5000
    text = (tmp_path / "r" / "retrieval.md").read_text()
    assert "Drift" in text
    assert "No correlation: no video has 8 blocks between which similarity differs." in text
    shutil.rmtree(tmp_path / "runs" / "main" / "metrics")
    result = cli("retrieval", "sweep=runs/main", "out=r")
    assert result.code == 0, result.err
    assert "python -m harness eval runs/main" in result.out
    for trace in (tmp_path / "runs").rglob("trace.jsonl"):
        trace.write_text("")
    result = cli("retrieval", "sweep=runs/main", "out=r")
    assert result.code == 2
    assert "no finished video retrieved anything" in result.err


def test_a_photograph_has_no_keys_and_the_rest_is_shown(cli, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((64, 64, 3), dtype=np.uint8))
    result = cli("retrieval", "photo=p.png", "encoder=mean_keys", "seconds=9", "threads=1", "out=r")
    assert result.code == 0, result.err
    assert "mean_keys on pan: left out, the backbone needs a prompt." in result.out
    assert "oracle" in (tmp_path / "r" / "retrieval.md").read_text()
    assert len(list((tmp_path / "r").glob("*.png"))) == 1  # ages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encoder=avgpool", "street=1", "seconds=3"], "Did you mean 'avg_pool'"),
        (["stret=1"], "Did you mean 'street'"),
        (["street=x"], "'--street': Input should be a valid integer"),
        (["k=0"], "'--k': Input should be greater than or equal to 1"),
        (["street=1", "seconds=0"], "'--seconds': Input should be greater than or equal to 1"),
        (["photo=a/x.png,b/x.png"], "two files are called x.png"),
        (["street=0"], "Nothing to search"),
        (["photo=none.png"], "can't be read as a picture"),
        (["video=none.mp4"], "none.mp4"),
        (["corpus=gone"], "python -m harness latents"),
    ],
)
def test_mistakes_are_answered_in_one_line(cli, arguments: list[str], message: str) -> None:
    result = cli("retrieval", *arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_search_is_timed_against_one_read_of_the_index(cli, tmp_path: Path) -> None:
    import json

    result = cli(
        "dev", "bench-search", "frames=64,512", "dim=16", "latent=16,8,8", "device=cpu",
        "threads=1", "out=s.json",
    )  # fmt: skip
    assert result.code == 0, result.err
    content = json.loads((tmp_path / "s.json").read_text())
    assert [row["num_frames"] for row in content["rows"]] == [64, 512]
    assert all(row["search_ms"] > 0 and row["floor_ms"] > 0 for row in content["rows"])
    assert math.isclose(content["rows"][1]["index_mib"], 512 * 16 * 4 / 2**20)
