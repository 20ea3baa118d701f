"""Videos that continue a given beginning: latents or a video, replay, scores apart, bad files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from backbones.engine.backbone import Backbone
from backbones.engine.block import Block
from backbones.engine.noise import SeededNoise
from backbones.engine.prefix import _read_video, check_prefix
from backbones.engine.rollout import Rollout
from backbones.engine.script import Script, Segment, Switch
from backbones.engine.spec import GivenKind
from backbones.street.backbone import StreetBackbone
from backbones.street.encoder import load_encoder
from harness.core.errors import ConfigError
from harness.run.video_writer import VideoWriter
from methods.published.ema_sink import EmaSink
from methods.rag import Rag
from tests.small import small_backbone

PROMPT = "dusk grassy four walking"
OTHER = "noon grassy four returning"


@pytest.fixture(scope="module")
def quick() -> Backbone:
    return small_backbone(1000)


@pytest.fixture
def latents(tmp_path: Path) -> str:
    """Nine latent frames in a file."""
    made = torch.randn(9, 16, 8, 8, generator=torch.Generator().manual_seed(3))
    save_file({"latents": made}, tmp_path / "given.safetensors")
    return str(tmp_path / "given.safetensors")


def script_of(given: str, seconds: float = 2.25, switch: Switch = Switch.keep) -> Script:
    return Script((Segment(seconds, PROMPT, given=given), Segment(9, OTHER)), switch)


def roll_out(
    backbone: Backbone, script: Script | str, num_latents: int, made: Tensor | None = None, kind=Rag
) -> list[Block]:
    noise = SeededNoise(0, PROMPT)
    return list(Rollout(backbone, kind(), script, noise, num_latents, 0).blocks(made))


def latents_of(blocks: list[Block]) -> Tensor:
    return torch.cat([block.latents for block in blocks])


@pytest.mark.slow
@pytest.mark.parametrize("switch", list(Switch))
def test_a_video_continues_given_latents(quick: Backbone, latents: str, switch: Switch) -> None:
    from safetensors.torch import load_file

    blocks = roll_out(quick, script_of(latents, switch=switch), 24)
    assert [block.given for block in blocks] == [True] * 3 + [False] * 5
    assert not any(block.replayed for block in blocks)
    given = load_file(latents)["latents"]
    assert torch.equal(latents_of(blocks)[:9], given)
    # The rest is what a rollout makes whose first blocks happened to be these.
    plain = Script((Segment(2.25, PROMPT), Segment(9, OTHER)), switch)
    assert torch.equal(latents_of(blocks), latents_of(roll_out(quick, plain, 24, given)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Rag, EmaSink])
@pytest.mark.parametrize("num_made", [6, 9, 15])
def test_it_is_replayed_and_shortened_exactly(
    quick: Backbone, latents: str, kind: type, num_made: int
) -> None:
    script = script_of(latents)
    whole = latents_of(roll_out(quick, script, 24, kind=kind))
    assert torch.equal(latents_of(roll_out(quick, script, 24, whole[:num_made], kind)), whole)
    assert torch.equal(latents_of(roll_out(quick, script, 15, kind=kind)), whole[:15])


@pytest.mark.slow
def test_a_given_video_is_encoded(quick: Backbone, tmp_path: Path) -> None:
    path = tmp_path / "given.mp4"
    colours = torch.linspace(0, 255, 33).byte()[:, None, None, None].expand(33, 64, 64, 3)
    with VideoWriter(path, 16, 64, 64) as writer:
        writer.write(colours.numpy())
    blocks = roll_out(quick, script_of(str(path)), 12)
    video = _read_video(path, quick.spec.geometry, 9)
    assert torch.equal(latents_of(blocks)[:9], load_encoder()(video))


@pytest.mark.parametrize(
    ("seconds", "num_latents", "message"),
    [
        (2, 24, r"2 s, which is not a whole number of blocks of 0\.75 s"),
        (2.3, 24, "not a whole number of blocks"),
        (2.25, 9, "a longer duration leaves something to make"),
        (1.5, 24, r"latents of shape \(9, 16, 8, 8\); street needs \(6, 16, 8, 8\)"),
    ],
)
def test_a_beginning_of_another_length_is_refused(
    quick: Backbone, latents: str, seconds: float, num_latents: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_prefix(script_of(latents, seconds), quick.spec, num_latents)


def test_other_files_are_refused(quick: Backbone, tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            check_prefix(script_of(str(path)), quick.spec, 24)
        return str(caught.value)

    assert "there is no file" in refused(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("text")
    assert "not a video" in refused(tmp_path / "text.mp4")
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert "tensor 'latents'" in refused(tmp_path / "other.safetensors")
    for name, fps, side, count in (
        ("fps", 8, 64, 33),
        ("size", 16, 128, 33),
        ("short", 16, 64, 32),
    ):
        with VideoWriter(tmp_path / f"{name}.mp4", fps, side, side) as writer:
            writer.write(torch.zeros(count, side, side, 3, dtype=torch.uint8).numpy())
        assert "needs (33, 64, 64, 16)" in refused(tmp_path / f"{name}.mp4")


@pytest.mark.parametrize("given", [GivenKind.latents, GivenKind.none])
def test_what_a_backbone_cannot_continue_is_refused_before_it_is_loaded(
    given: GivenKind, tmp_path: Path
) -> None:
    spec = replace(StreetBackbone().spec(), given=given)
    for name in ("given.mp4", "given.safetensors"):
        script = script_of(str(tmp_path / name))
        refused = spec.given is GivenKind.none or name == "given.mp4"
        message = "no video encoder; give latents|makes whole videos" if refused else "no file"
        with pytest.raises(ConfigError, match=message):
            check_prefix(script, spec, 24)


def test_the_description_says_if_there_is_an_encoder(quick: Backbone) -> None:
    for wrong in (
        {"encode_video": None},
        {"spec": replace(quick.spec, given=GivenKind.latents)},
    ):
        with pytest.raises(ValueError, match="doesn't fit encode_video"):
            replace(quick, **wrong)


def test_a_video_is_read_as_levels_from_minus_one_to_one(quick: Backbone, tmp_path: Path) -> None:
    path = tmp_path / "given.mp4"
    levels = torch.linspace(0, 255, 9).byte()[:, None, None, None].expand(9, 64, 64, 3)
    with VideoWriter(path, 16, 64, 64) as writer:
        writer.write(levels.numpy())
    video = _read_video(path, quick.spec.geometry, 3)
    with av.open(str(path)) as container:
        frames = [torch.from_numpy(f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    assert torch.equal(video, torch.stack(frames).permute(0, 3, 1, 2).float() / 127.5 - 1)


def test_only_the_first_segment_may_be_given(latents: str) -> None:
    with pytest.raises(ValueError, match="only the first segment"):
        Script((Segment(3, PROMPT), Segment(3, OTHER, given=latents)))
    with pytest.raises(ValueError, match="needs one after it"):
        Script((Segment(3, PROMPT, given=latents),))


def test_the_content_of_the_file_is_the_identity(latents: str, tmp_path: Path) -> None:
    moved = tmp_path / "moved.safetensors"
    before = script_of(latents).identity()
    Path(latents).rename(moved)
    assert script_of(str(moved)).identity() == before
    save_file({"latents": torch.zeros(9, 16, 8, 8)}, moved)
    assert script_of(str(moved)).identity() != before
