"""The released generators of Wan2.1-1.3B shape, and the sizes they come in.

This module holds the differences between them: files, dictionary entries, licences, training.
Sizes, hashes and revisions are those that the hub reports, copied from public manifests; the files
themselves have not been opened here (docs/wan.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backbones.wan.config import WanConfig
from backbones.wan.lora import LoraConfig
from backbones.wan.text import UMT5_XXL, TextEncoderConfig
from backbones.wan.vae import WanVAEConfig
from harness.core.weights_files import WeightsFile
from methods.base import NativeWindow, RopeScheme

BLOCK_LATENTS = 3
BENCHMARK_BUDGET_LATENTS = 12
# The temporal RoPE table of the public code: 256 s with absolute positions.
ROPE_POSITIONS = 1024
FPS = 16


@dataclass(frozen=True)
class Release:
    """A released generator.

    Attributes:
        name: registered name.
        generator: its checkpoint.
        entry: dictionary entry of the checkpoint that its authors roll out.
        lora: adapter to merge into it, if any.
        lora_config: rank and alpha of the adapter.
        trained_latents: longest rollout of its training, in latent frames.
        native_window: the window its authors roll it out with; None where that is more than a
            plain window or was not seen.
        long_setting: its authors have a setting for videos longer than the training clips.
        licence: of the generator, in short.
        block_latents: latent frames denoised together.
        denoising_steps: timesteps of the denoising passes, before the shift.
        own_rollout: how its authors roll it out, where `native_window` is None.
    """

    name: str
    generator: WeightsFile
    entry: str
    trained_latents: int
    native_window: NativeWindow | None
    long_setting: bool
    licence: str
    block_latents: int = BLOCK_LATENTS
    denoising_steps: tuple[int, ...] = (1000, 750, 500, 250)
    own_rollout: str = ""
    lora: WeightsFile | None = None
    lora_config: LoraConfig | None = None


_MIXED_LICENCE = "CC-BY-NC-SA-4.0 (model card), code Apache-2.0"

# Trained on clips of 21 latent frames; "only supports 81 frames" (its authors, issue 39). Longer
# videos roll the cache of 21, which is not an official long setting.
SELF_FORCING = Release(
    name="self_forcing",
    generator=WeightsFile(
        repo="gdhe17/Self-Forcing",
        file="checkpoints/self_forcing_dmd.pt",
        licence=_MIXED_LICENCE,
        bytes=5_676_252_553,
        sha256="a0413986d9734e02c09504e1520f5697ba6df731bb2f0f35577485e9cc8f56a3",
        revision="2f8b779212da279d212c22a509b66ad6552f350e",
    ),
    entry="generator_ema",
    trained_latents=21,
    native_window=NativeWindow(21, 0, RopeScheme.absolute),
    long_setting=False,
    licence=_MIXED_LICENCE,
)

# The chunk-wise model, which has no EMA. Its authors call it "extremely unfair" as a baseline for
# long videos; they have another checkpoint, with another sampler, for those.
CAUSAL_FORCING = Release(
    name="causal_forcing",
    generator=WeightsFile(
        repo="zhuhz22/Causal-Forcing",
        file="chunkwise/causal_forcing.pt",
        licence="Apache-2.0",
        bytes=5_676_282_643,
        sha256="cf75ee5cc6f4e2e336c59c973f5544655d8f0aa481761efe6de1b9cb2eb0cd9d",
        revision="373037a987c3e06eaab3ec7b2fc2f5c9c296b649",
    ),
    entry="generator",
    trained_latents=21,
    native_window=NativeWindow(21, 0, RopeScheme.absolute),
    long_setting=False,
    licence="Apache-2.0",
)

# Streaming long tuning up to 240 latent frames (configs/longlive_train_long.yaml), window of 12
# with three sink frames; version 1, 1.3B.
LONGLIVE = Release(
    name="longlive",
    generator=WeightsFile(
        repo="Efficient-Large-Model/LongLive-1.3B",
        file="models/longlive_base.pt",
        licence=_MIXED_LICENCE,
        bytes=5_676_334_208,
        sha256="10a2aa8fcf89c77d9033f4c117405412a690e289625766619d293f0c5a208ee7",
        revision="cda9138d93872ef109d9a74c270184eb3a5acc6e",
    ),
    entry="generator",
    trained_latents=240,
    native_window=NativeWindow(12, 3, RopeScheme.absolute),
    long_setting=True,
    licence=_MIXED_LICENCE,
    lora=WeightsFile(
        repo="Efficient-Large-Model/LongLive-1.3B",
        file="models/lora.pt",
        licence=_MIXED_LICENCE,
        bytes=2_800_056_690,
        sha256="c4e43b87d62d4b0614b496773639f1ab170a7ee486dc23407901e9d3a5ebc07a",
        revision="cda9138d93872ef109d9a74c270184eb3a5acc6e",
    ),
    lora_config=LoraConfig(rank=256, alpha=256),
)

# Sizes and hashes of the files below were not seen, nor how long they were trained: 21 is the
# length of the clips that each of them, or what it starts from, was trained on at least.

# README and notes: the loader takes the file as a bare state dict; `configs/reward_forcing.yaml`
# has local_attn_size 9 and sink_size 3, the sink averaged (methods/published/ema_sink.py).
REWARD_FORCING = Release(
    name="reward_forcing",
    generator=WeightsFile("JaydenLu666/Reward-Forcing-T2V-1.3B", "rewardforcing.pt", "Apache-2.0"),
    entry="generator_ema",
    trained_latents=21,
    native_window=None,
    long_setting=True,
    licence="Apache-2.0",
    own_rollout="method=ema_sink with backbone.budget_latents=9",
)

# Trained for a sampler that denoises a window of blocks at once, each at its own noise level. Here
# its weights denoise one block after another.
ROLLING_FORCING = Release(
    name="rolling_forcing",
    generator=WeightsFile(
        "TencentARC/RollingForcing", "checkpoints/rolling_forcing_dmd.pt", "academic use only"
    ),
    entry="generator_ema",
    trained_latents=21,
    native_window=None,
    long_setting=False,
    licence="academic use only",
    denoising_steps=(1000, 800, 600, 400, 200),
    own_rollout="a sampler that denoises several blocks at once, which Longtake does not have",
)

# `configs/causal_forcing_dmd_framewise.yaml`, run with --use_ema; long videos are not supported.
CAUSAL_FORCING_FRAMEWISE = Release(
    name="causal_forcing_framewise",
    generator=WeightsFile("zhuhz22/Causal-Forcing", "framewise/causal_forcing.pt", "Apache-2.0"),
    entry="generator_ema",
    trained_latents=21,
    native_window=NativeWindow(21, 0, RopeScheme.absolute),
    long_setting=False,
    licence="Apache-2.0",
    block_latents=1,
)

# The base of LongLive with another LoRA, trained with merged frames in the context
# (`configs/inference_ft.yaml` of aniki-ly/FadeMem: rank and alpha 256, 12 entries, a block of 3).
FADEMEM_FT = replace(
    LONGLIVE,
    name="fademem_ft",
    native_window=None,
    trained_latents=21,
    licence=f"LoRA: repository Apache-2.0; base: {_MIXED_LICENCE}",
    lora=WeightsFile("sanity2025/FadeMem-FT", "model.pt", "repository Apache-2.0"),
    own_rollout="method=fademem with backbone.budget_latents=15",
)


def _wan_file(file: str, num_bytes: int, sha256: str) -> WeightsFile:
    revision = "37ec512624d61f7aa208f7ea8140a131f93afc9a"
    return WeightsFile("Wan-AI/Wan2.1-T2V-1.3B", file, "Apache-2.0", num_bytes, sha256, revision)


# Shared by all of them.
VAE = _wan_file(
    "Wan2.1_VAE.pth",
    507_609_880,
    "38071ab59bd94681c686fa51d75a1968f64e470262043be31f7a094e442fd981",
)
TEXT_ENCODER = _wan_file(
    "models_t5_umt5-xxl-enc-bf16.pth",
    11_361_920_418,
    "7cace0da2b446bbbbc57d031ab6cf163a3d59b366da94e5afe36745b746fd81d",
)
TOKENIZER = (
    _wan_file(
        "google/umt5-xxl/spiece.model",
        4_548_313,
        "e3909a67b780650b35cf529ac782ad2b6b26e6d1f849d3fbb6a872905f452458",
    ),
    _wan_file(
        "google/umt5-xxl/tokenizer.json",
        16_837_417,
        "6e197b4d3dbd71da14b4eb255f4fa91c9c1f2068b20a2de2472967ca3d22602b",
    ),
    _wan_file(
        "google/umt5-xxl/tokenizer_config.json",
        61_728,
        "ed9a3a8b0faa71a70a32847e0435fe036e6e112d4df4edb7bb48a921e344dc05",
    ),
    _wan_file(
        "google/umt5-xxl/special_tokens_map.json",
        6_623,
        "7b8a9f5040adb67b5805abdfd42c1f8d0f3d0e711f10726580eb3789cd0ad61d",
    ),
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a backbone's models and of its video.

    Attributes:
        transformer: sizes of the transformer.
        text: sizes of the text encoder.
        vae: sizes of the VAE.
        height: pixels.
        width: pixels.
    """

    transformer: WanConfig
    text: TextEncoderConfig
    vae: WanVAEConfig
    height: int
    width: int

    def __post_init__(self) -> None:
        embedding = (self.transformer.text_len, self.transformer.text_dim)
        assert embedding == (self.text.text_len, self.text.dim)
        assert self.transformer.in_dim == self.transformer.out_dim == self.vae.z_dim

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width) of a latent frame."""
        factor = self.vae.spatial_factor
        return (self.vae.z_dim, self.height // factor, self.width // factor)


WAN_1_3B = Shape(
    transformer=WanConfig(
        dim=1536,
        ffn_dim=8960,
        num_heads=12,
        num_layers=30,
        in_dim=16,
        out_dim=16,
        freq_dim=256,
        text_dim=UMT5_XXL.dim,
        text_len=UMT5_XXL.text_len,
    ),
    text=UMT5_XXL,
    vae=WanVAEConfig(),
    height=480,
    width=832,
)

# Every shape of the full model, in less than a tenth of the time.
THIN = replace(WAN_1_3B, transformer=replace(WAN_1_3B.transformer, num_layers=2))

_DEBUG_TEXT = TextEncoderConfig(dim=64, ffn_dim=128, num_heads=2, num_layers=2)
# Runs every stage on a CPU in seconds; there are no weights of this shape.
DEBUG = Shape(
    transformer=WanConfig(
        dim=96,
        ffn_dim=256,
        num_heads=4,
        num_layers=2,
        in_dim=16,
        out_dim=16,
        freq_dim=64,
        text_dim=_DEBUG_TEXT.dim,
        text_len=_DEBUG_TEXT.text_len,
    ),
    text=_DEBUG_TEXT,
    vae=WanVAEConfig(base_dim=8, num_res_blocks=1),
    height=64,
    width=96,
)
