"""The weights of VBench-Long in the official cache layout (below ~/.cache)."""

from __future__ import annotations

from eval.networks.weights import LayoutFile

_CLIP = "https://openaipublic.azureedge.net/clip/models"
_CLIP_B32_SHA256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14_SHA256 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"

CLIP_B32 = LayoutFile(
    "openai/CLIP",
    "vbench/clip_model/ViT-B-32.pt",
    "MIT",
    sha256=_CLIP_B32_SHA256,
    address=f"{_CLIP}/{_CLIP_B32_SHA256}/ViT-B-32.pt",
)
CLIP_L14 = LayoutFile(
    "openai/CLIP",
    "vbench/clip_model/ViT-L-14.pt",
    "MIT",
    sha256=_CLIP_L14_SHA256,
    address=f"{_CLIP}/{_CLIP_L14_SHA256}/ViT-L-14.pt",
)
AESTHETIC_HEAD = LayoutFile(
    "LAION-AI/aesthetic-predictor",
    "vbench/aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",
    "MIT",
    address="https://github.com/LAION-AI/aesthetic-predictor/blob/main/"
    "sa_0_4_vit_l_14_linear.pth?raw=true",
)
MUSIQ_SPAQ = LayoutFile(
    "chaofengc/IQA-PyTorch",
    "vbench/pyiqa_model/musiq_spaq_ckpt-358bb6af.pth",
    "see repository",
    address="https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
    "musiq_spaq_ckpt-358bb6af.pth",
)
AMT_S = LayoutFile(
    "lalala125/AMT",
    "vbench/amt_model/amt-s.pth",
    "see repository",
    address="https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth",
)
RAFT_THINGS = LayoutFile(
    "princeton-vl/RAFT",
    "vbench/raft_model/models/raft-things.pth",
    "BSD-3-Clause",
    address="https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip",
    member="models/raft-things.pth",
)
VICLIP = LayoutFile(
    "OpenGVLab/VBench_Used_Models",
    "vbench/ViCLIP/ViClip-InternVid-10M-FLT.pth",
    "see repository",
    address="https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main/"
    "ViClip-InternVid-10M-FLT.pth",
)
# Copied from the package openai-clip, so it is never fetched.
VICLIP_VOCABULARY = LayoutFile("", "vbench/ViCLIP/bpe_simple_vocab_16e6.txt.gz", "MIT")
DINO_B16 = LayoutFile(
    "facebookresearch/dino",
    "torch/hub/checkpoints/dino_vitbase16_pretrain.pth",
    "Apache-2.0",
    address="https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/"
    "dino_vitbase16_pretrain.pth",
)
DINOV2_B14 = LayoutFile(
    "facebookresearch/dinov2",
    "torch/hub/checkpoints/dinov2_vitb14_pretrain.pth",
    "Apache-2.0",
    address="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
)


def _dreamsim(member: str) -> LayoutFile:
    """Describe one file of DreamSim's ensemble, a member of one archive."""
    return LayoutFile(
        "ssundaram21/dreamsim",
        member,
        "MIT",
        address="https://github.com/ssundaram21/dreamsim/releases/download/v0.2.0-checkpoints/"
        "dreamsim_ensemble_checkpoint.zip",
        member=member,
    )


DREAMSIM_CLIP = _dreamsim("clip_vitb16_pretrain.pth.tar")
DREAMSIM_OPEN_CLIP = _dreamsim("open_clip_vitb16_pretrain.pth.tar")
DREAMSIM_LORA = _dreamsim("ensemble_lora/adapter_model.bin")
DREAMSIM_LORA_CONFIG = _dreamsim("ensemble_lora/adapter_config.json")

ALL_FILES = (
    CLIP_B32,
    CLIP_L14,
    AESTHETIC_HEAD,
    MUSIQ_SPAQ,
    AMT_S,
    RAFT_THINGS,
    VICLIP,
    DINO_B16,
    DINOV2_B14,
    DREAMSIM_CLIP,
    DREAMSIM_OPEN_CLIP,
    DREAMSIM_LORA,
    DREAMSIM_LORA_CONFIG,
)
