"""The released backbones: descriptions, files, and loading from files of every form."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backbones.engine.backbone import Backbone
from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.engine.spec import Precision, WeightsKind
from backbones.street.backbone import StreetBackbone
from backbones.street.vae import StreamDecoder
from backbones.wan import backbone as wan
from backbones.wan import catalogue
from backbones.wan.backbone import (
    CausalForcing,
    CausalForcingFramewise,
    FadeMemFT,
    Flavor,
    LongLive,
    RewardForcing,
    RollingForcing,
    SelfForcing,
    Setting,
    WanBackbone,
    WanWeights,
)
from backbones.wan.catalogue import DEBUG, WAN_1_3B
from backbones.wan.random_weights import random_tensors
from backbones.wan.text import LongPrompt, TextEncoderConfig, TextEncoderFiles
from backbones.wan.transformer import CausalWanTransformer
from backbones.wan.vae import WanVAE
from harness.core.errors import LongtakeError
from harness.core.weights_files import WeightsFile, file_sha256
from methods.base import NativeWindow, RopeScheme
from methods.native import Native
from tests.backbones.wan.text.support import LINES, SMALL

CPU = torch.device("cpu")
PROMPT = "a lighthouse in a storm"
KINDS = (SelfForcing, CausalForcing, LongLive)
OTHERS = (RewardForcing, RollingForcing, CausalForcingFramewise, FadeMemFT)


def debug(kind: type[WanBackbone] = SelfForcing, **arguments: object) -> WanBackbone:
    return kind(weights=WanWeights.random, flavor=Flavor.debug, **arguments)


def latents_of(backbone: Backbone, num_latents: int = 6) -> Tensor:
    noise = SeededNoise(0, PROMPT)
    rollout = Rollout(backbone, Native(), PROMPT, noise, num_latents, seed=0)
    return torch.cat([block.latents for block in rollout.blocks()])


def test_the_1_3b_shape_has_the_published_sizes() -> None:
    spec = SelfForcing().spec()
    assert spec.geometry.latent_shape == (16, 60, 104)
    assert spec.shape.tokens_per_latent == 1560
    assert spec.geometry.num_frames(120) == 477
    assert spec.kv_bytes_per_latent == 287_539_200
    with torch.device("meta"):
        model, vae = CausalWanTransformer(WAN_1_3B.transformer), WanVAE(WAN_1_3B.vae)
    assert len(model.state_dict()) == 825
    assert sum(p.numel() for p in model.parameters()) == 1_418_996_800
    assert sum(p.numel() for p in vae.parameters()) == 126_892_531
    assert spec.weights_bytes == 2 * (1_418_996_800 + 126_892_531)


def loaded_bytes(*modules: nn.Module) -> int:
    return sum(p.nbytes for module in modules for p in module.parameters())


def decoder_vae(backbone: Backbone) -> nn.Module:
    decoder = backbone.start_decoder()
    return decoder.model if isinstance(decoder, StreamDecoder) else decoder.vae  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "words_bytes"),
    [(debug(), 0), (StreetBackbone(), 18 * 32 * 4)],
    ids=["debug", "street"],
)
def test_memory_is_described_as_it_is_loaded(source, words_bytes: int) -> None:
    backbone = source.load(CPU, [PROMPT])
    transformer = backbone.transformer
    spec = backbone.spec
    assert spec.weights_bytes == loaded_bytes(transformer, decoder_vae(backbone)) + words_bytes
    config = transformer.config
    tokens = spec.shape.tokens_per_latent
    slab = torch.empty(
        config.num_layers,
        2,
        config.num_heads,
        tokens,
        config.head_dim,
        dtype=transformer.patch_embedding.weight.dtype,
    )
    assert spec.kv_bytes_per_latent == slab.nbytes


@pytest.mark.parametrize("kind", KINDS)
def test_both_settings_say_what_they_are(kind: type[WanBackbone]) -> None:
    benchmark, official = kind().spec(), kind(setting=Setting.official).spec()
    assert benchmark.budget_latents == 12
    assert not benchmark.official
    assert official.official
    assert official.native_window is not None
    assert official.budget_latents == official.native_window.budget_latents
    assert benchmark.weights is WeightsKind.released
    assert kind(weights=WanWeights.random).spec().weights is WeightsKind.random


def test_the_windows_are_those_of_the_authors() -> None:
    assert SelfForcing().spec().native_window == NativeWindow(21, 0, RopeScheme.absolute)
    assert LongLive().spec().native_window == NativeWindow(12, 3, RopeScheme.absolute)
    assert [kind().spec().long_setting for kind in KINDS] == [False, False, True]
    assert [kind().spec().trained_latents for kind in KINDS] == [21, 21, 240]


def test_a_bare_file_of_unknown_hash_counts_as_published_in_its_own_place(released: Path) -> None:
    path = save_generator(RewardForcing, transformer_state())
    own = RewardForcing(generator=str(path))
    assert not own._files().are_published()
    assert own._files().sha256() == RewardForcing()._files().sha256()
    assert_same_transformer(RewardForcing().load(CPU, [PROMPT]), transformer_state())


def test_only_the_longlive_reads_a_lora(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGTAKE_WEIGHTS", "/weights")
    roles = {kind: [file.role for file in kind().files()] for kind in KINDS}
    assert "lora" in roles[LongLive]
    lora = FadeMemFT().files()[1]
    assert lora.path == Path("/weights/sanity2025/FadeMem-FT/model.pt")
    assert FadeMemFT().files()[0] == LongLive().files()[0]
    assert "lora" not in roles[SelfForcing]
    generator = SelfForcing().files()[0]
    assert generator.path == Path("/weights/gdhe17/Self-Forcing/checkpoints/self_forcing_dmd.pt")
    assert debug().files() == ()
    assert SelfForcing(generator="mine.pt").files()[0].path == Path("mine.pt")
    shared = {file.path for kind in KINDS for file in kind().files() if file.role == "vae"}
    assert len(shared) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SelfForcing(flavor=Flavor.debug), "add backbone.weights=random"),
        (SelfForcing(budget_latents=3), "more than a block"),
        (SelfForcing(budget_latents=22), "at most the 21 latent frames"),
        (SelfForcing(budget_latents=12, setting=Setting.official), "means 21; leave one"),
        (SelfForcing(lora="l.pt"), "self_forcing has no LoRA"),
        (SelfForcing(denoising_step_list=[500, 1000]), "must descend"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(source: WanBackbone, message: str) -> None:
    with pytest.raises(LongtakeError, match=message):
        source.spec()


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_missing_weights_come_with_the_command_to_get_them(kind, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LONGTAKE_WEIGHTS", str(tmp_path))
    command = f"python -m harness fetch-weights backbone={kind.release.name}"
    for attempt in (
        kind().identity,
        lambda: kind().load(CPU, []),
        lambda: kind().check_prompt("x"),
    ):
        with pytest.raises(LongtakeError, match=f"Missing weights: .*{command}"):
            attempt()
    with pytest.raises(LongtakeError, match=r"Missing weights: gone\.pt\. backbone\.vae names it"):
        kind(vae="gone.pt", generator=__file__, lora=kind.release.lora and __file__).identity()


def test_random_weights_depend_on_the_seed_and_the_name_alone() -> None:
    with torch.device("meta"):
        model = CausalWanTransformer(DEBUG.transformer)
    one, same, other = (random_tensors(model, seed, torch.float32) for seed in (0, 0, 1))
    name = "blocks.0.self_attn.q.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])
    assert not torch.equal(one[name], one["blocks.1.self_attn.q.weight"])


@pytest.mark.slow
def test_random_weights_stay_finite_over_a_long_rollout() -> None:
    backbone = debug(LongLive).load(CPU, [PROMPT])
    latents = latents_of(backbone, 240)
    assert torch.isfinite(latents).all()
    first, last = latents[:60].std(), latents[-60:].std()
    assert 0.5 < last / first < 2
    frames = backbone.start_decoder().decode(latents[:3])
    assert frames.shape == (9, 64, 96, 3)
    assert frames.float().std() > 1


def test_another_prompt_makes_another_video() -> None:
    backbone = debug(setting=Setting.official).load(CPU, [PROMPT, "two prompts"])
    one, other = (backbone.encode_text(prompt) for prompt in (PROMPT, "two prompts"))
    assert one.shape == (DEBUG.transformer.text_len, DEBUG.transformer.text_dim)
    assert not torch.equal(one, other)
    assert not one[6:].any(), "five words and the end of the text"


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(LongtakeError, match="empty"):
        debug().check_prompt(prompt)


def test_a_long_prompt_is_refused_or_cut_and_counted() -> None:
    prompt = "word " * 518
    with pytest.raises(LongtakeError, match="519 words, these random weights take 512"):
        debug().check_prompt(prompt)
    cutting = debug(long_prompt=LongPrompt.cut)
    cutting.check_prompt(prompt)
    assert cutting.load(CPU, [prompt, PROMPT]).cut_tokens == {prompt: 7, PROMPT: 0}


# Released files, written from the same random tensors in small: what they load to must be what
# weights=random makes.


SMALL_TEXT = TextEncoderConfig(**vars(SMALL) | {"text_len": 24})
SMALL_SHAPE = replace(
    DEBUG,
    transformer=replace(DEBUG.transformer, text_dim=SMALL_TEXT.dim, text_len=SMALL_TEXT.text_len),
    text=SMALL_TEXT,
)


def random_state(module: nn.Module) -> dict[str, Tensor]:
    return random_tensors(module, 0, torch.float32)


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: TextEncoderFiles) -> Path:
    """A weights folder with released files of a small shape, but for the generators."""
    monkeypatch.setenv("LONGTAKE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(wan, "WAN_1_3B", SMALL_SHAPE)
    repository = tmp_path / "Wan-AI/Wan2.1-T2V-1.3B"
    shutil.copytree(files.weights.parent, repository)
    for file in LongLive().files():
        file.path.parent.mkdir(parents=True, exist_ok=True)
        if not file.path.exists():
            file.path.write_text("{}")
    torch.save(random_state(WanVAE(SMALL_SHAPE.vae)), repository / "Wan2.1_VAE.pth")
    return tmp_path


def save_generator(kind: type[WanBackbone], content: object) -> Path:
    path = kind().files()[0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def transformer_state() -> dict[str, Tensor]:
    return random_state(CausalWanTransformer(SMALL_SHAPE.transformer))


def assert_same_transformer(backbone: Backbone, state: Mapping[str, Tensor]) -> None:
    loaded = backbone.transformer.state_dict()
    assert len(loaded) == len(state)
    for name, tensor in state.items():
        bare = name.removeprefix("model.").removeprefix("_fsdp_wrapped_module.")
        assert torch.equal(loaded[bare], tensor.bfloat16())


@pytest.mark.slow
def test_self_forcing_loads_its_ema(released: Path) -> None:
    ema = {f"model._fsdp_wrapped_module.{k}": t for k, t in transformer_state().items()}
    other = {name: tensor + 1 for name, tensor in ema.items()}
    save_generator(SelfForcing, {"generator": other, "generator_ema": ema})
    loaded = SelfForcing(setting=Setting.official).load(CPU, [PROMPT])
    assert_same_transformer(loaded, ema)
    frames = loaded.start_decoder().decode(latents_of(loaded))
    assert frames.shape == (21, 64, 96, 3)


def test_causal_forcing_loads_its_generator(released: Path) -> None:
    state = {f"model.{name}": tensor for name, tensor in transformer_state().items()}
    save_generator(CausalForcing, {"generator": state, "critic": {}, "step": 750})
    assert_same_transformer(CausalForcing().load(CPU, [PROMPT]), state)


def test_longlive_loads_its_base_with_the_lora_merged(released: Path) -> None:
    target = transformer_state()
    lora, base = {}, dict(target)
    torch.manual_seed(0)
    for name, tensor in target.items():
        if name.startswith("blocks.") and name.endswith(".weight") and tensor.ndim == 2:
            up, down = torch.randn(tensor.shape[0], 256), torch.randn(256, tensor.shape[1])
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            lora[f"{stem}.lora_A.weight"], lora[f"{stem}.lora_B.weight"] = down, up
            base[name] = tensor - up @ down  # so that adding the LoRA gives the target
    save_generator(LongLive, {"generator": {f"model.{k}": t for k, t in base.items()}})
    torch.save(
        {"generator_lora": lora, "critic_lora": {}, "step": 3000}, LongLive().files()[1].path
    )
    weights = LongLive(precision=Precision.float32).load(CPU, [PROMPT]).transformer.state_dict()
    for name, tensor in target.items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-4)


def test_a_long_prompt_of_released_weights_is_refused_or_cut(released: Path) -> None:
    save_generator(SelfForcing, {"generator_ema": transformer_state()})
    long = " ".join(LINES)
    SelfForcing().check_prompt(PROMPT)
    with pytest.raises(LongtakeError, match="the text encoder takes 24"):
        SelfForcing().check_prompt(long)
    cutting = SelfForcing(long_prompt=LongPrompt.cut)
    cutting.check_prompt(long)
    assert cutting.load(CPU, [long]).cut_tokens[long] > 0


def test_the_files_are_in_the_identity_and_their_place_is_not(released: Path) -> None:
    path = save_generator(SelfForcing, {"generator_ema": transformer_state()})
    before = SelfForcing().identity()
    assert set(before["weights_sha256"]) == {file.role for file in SelfForcing().files()}
    elsewhere = released / "mine.pt"
    elsewhere.write_bytes(path.read_bytes())
    assert SelfForcing(generator=str(elsewhere)).identity() == before
    torch.save({"generator_ema": {}}, elsewhere)
    assert SelfForcing(generator=str(elsewhere)).identity() != before
    assert SelfForcing(seed=3).identity() == before, "released weights have no seed"


def test_files_that_are_not_the_published_ones_are_not_called_released(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_generator(SelfForcing, {"generator_ema": transformer_state()})
    own = SelfForcing().load(CPU, [PROMPT]).spec
    assert own.weights is WeightsKind.own
    assert own.licence == "not known (own files)"

    def as_published(source: WeightsFile) -> WeightsFile:
        return replace(source, sha256=file_sha256(source.path))

    generator = as_published(SelfForcing.release.generator)
    monkeypatch.setattr(SelfForcing, "release", replace(SelfForcing.release, generator=generator))
    for name in ("VAE", "TEXT_ENCODER"):
        monkeypatch.setattr(catalogue, name, as_published(getattr(catalogue, name)))
    monkeypatch.setattr(catalogue, "TOKENIZER", tuple(map(as_published, catalogue.TOKENIZER)))
    assert SelfForcing().load(CPU, [PROMPT]).spec.weights is WeightsKind.released


def large_transformer() -> dict[str, Tensor]:
    """A state dict with the names of Wan 14B; the shapes suffice to tell."""
    state = dict(transformer_state())
    state["patch_embedding.weight"] = torch.zeros(5120, 16, 1, 2, 2)
    return state


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (large_transformer, r"a Wan transformer of 2 layers and dimension 5120, does not fit"),
        (lambda: random_state(WanVAE(SMALL_SHAPE.vae)), "which holds a video VAE, does not fit"),
        (lambda: {"generator": transformer_state()}, "no 'generator_ema'; its entries are gen"),
    ],
    ids=["14B", "VAE", "no EMA"],
)
def test_the_error_names_what_a_wrong_checkpoint_is(released: Path, content, message: str) -> None:
    save_generator(SelfForcing, content())
    with pytest.raises(LongtakeError, match=message):
        SelfForcing().load(CPU, [PROMPT])


def test_a_truncated_checkpoint_is_one_clear_error(released: Path) -> None:
    path = save_generator(SelfForcing, {"generator_ema": transformer_state()})
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(LongtakeError, match=r"self_forcing_dmd\.pt is truncated or not a PyTorch"):
        SelfForcing().load(CPU, [PROMPT])


def test_a_transformer_in_place_of_the_vae_is_refused(released: Path) -> None:
    save_generator(SelfForcing, {"generator_ema": transformer_state()})
    torch.save(transformer_state(), released / "v.pth")
    with pytest.raises(
        LongtakeError, match=r"v\.pth, which holds a Wan transformer.*not fit WanVAE"
    ):
        SelfForcing(vae=str(released / "v.pth")).load(CPU, [PROMPT])
