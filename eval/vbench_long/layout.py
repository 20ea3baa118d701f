"""The weights of VBench-Long in the official cache layout (below ~/.cache)."""

from __future__ import annotations

from eval.weights import WeightsFile

_CLIP = "https://openaipublic.azureedge.net/clip/models"
_DREAMSIM = (
    "https://github.com/ssundaram21/dreamsim/releases/download/v0.2.0-checkpoints/"
    "dreamsim_ensemble_checkpoint.zip"
)

CLIP_B32 = WeightsFile(
    "vbench/clip_model/ViT-B-32.pt",
    f"{_CLIP}/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
)
CLIP_L14 = WeightsFile(
    "vbench/clip_model/ViT-L-14.pt",
    f"{_CLIP}/b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
)
AESTHETIC_HEAD = WeightsFile(
    "vbench/aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth",
    "https://github.com/LAION-AI/aesthetic-predictor/blob/main/sa_0_4_vit_l_14_linear.pth?raw=true",
)
MUSIQ_SPAQ = WeightsFile(
    "vbench/pyiqa_model/musiq_spaq_ckpt-358bb6af.pth",
    "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
    "musiq_spaq_ckpt-358bb6af.pth",
)
AMT_S = WeightsFile(
    "vbench/amt_model/amt-s.pth", "https://huggingface.co/lalala125/AMT/resolve/main/amt-s.pth"
)
RAFT_THINGS = WeightsFile(
    "vbench/raft_model/models/raft-things.pth",
    "https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip",
    member="models/raft-things.pth",
)
VICLIP = WeightsFile(
    "vbench/ViCLIP/ViClip-InternVid-10M-FLT.pth",
    "https://huggingface.co/OpenGVLab/VBench_Used_Models/resolve/main/ViClip-InternVid-10M-FLT.pth",
)
DINO_B16 = WeightsFile(
    "torch/hub/checkpoints/dino_vitbase16_pretrain.pth",
    "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
)
DINOV2_B14 = WeightsFile(
    "torch/hub/checkpoints/dinov2_vitb14_pretrain.pth",
    "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
)
DREAMSIM_CLIP = WeightsFile(
    "clip_vitb16_pretrain.pth.tar", _DREAMSIM, member="clip_vitb16_pretrain.pth.tar"
)
DREAMSIM_OPEN_CLIP = WeightsFile(
    "open_clip_vitb16_pretrain.pth.tar", _DREAMSIM, member="open_clip_vitb16_pretrain.pth.tar"
)
DREAMSIM_LORA = WeightsFile(
    "ensemble_lora/adapter_model.bin", _DREAMSIM, member="ensemble_lora/adapter_model.bin"
)
DREAMSIM_LORA_CONFIG = WeightsFile(
    "ensemble_lora/adapter_config.json", _DREAMSIM, member="ensemble_lora/adapter_config.json"
)

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
