"""Seeded random weights in the official cache layout, one file each, made on demand.

Every tensor is filled from its name and a seed per file, so values do not depend on the order in
which they are made. They are the weights that `tests/eval/data/vbench_long/expected.json` was
computed with; DreamSim's are of our own choice, because no expected value depends on them.
"""

from __future__ import annotations

import importlib
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from eval.networks.torch_network import without_side_effects
from eval.networks.weights import LayoutFile
from eval.vbench_long import layout

# Parameters that are not weights of a product: they start small.
_SMALL = (
    "pos_embed",
    "positional",
    "cls_token",
    "token_embedding",
    "scale_emb",
    "position_emb",
    ".cls",
    "temporal",
)


def filled(module: nn.Module, seed: int, gain: float = 1.0) -> nn.Module:
    """Fill a module, each tensor from its own generator."""
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.dtype.is_floating_point:
                value = _value(name, tensor, seed, gain)
                if value is not None:
                    tensor.copy_(value)
    return module


def _value(name: str, tensor: Tensor, seed: int, gain: float) -> Tensor | None:
    generator = torch.Generator().manual_seed(seed * 1000003 + zlib.crc32(name.encode()))

    def normal() -> Tensor:
        return torch.randn(tensor.shape, generator=generator)

    last = name.rpartition(".")[2]
    if "running_var" in name:
        return 1 + 0.1 * torch.rand(tensor.shape, generator=generator)
    if "running_mean" in name:
        return 0.1 * normal()
    if tensor.ndim <= 1:
        if last == "weight":
            activation = "relu" in name.lower() or tensor.numel() < 8
            return None if activation else 1 + 0.1 * normal()
        if last == "gamma":
            return 0.5 + 0.1 * normal()
        return 0.1 * normal() if tensor.numel() > 1 or last == "bias" else None
    if any(part in name for part in _SMALL):
        return 0.05 * normal()
    projects = last in ("proj", "text_projection")
    fan_in = tensor.shape[0] if projects else tensor[0].numel()
    return gain * normal() / math.sqrt(fan_in)


def provide(file: LayoutFile) -> None:
    """Make one file, unless it is there."""
    if file.path.is_file():
        return
    file.path.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.path.with_name(f"{file.path.name}.partial")
    _MAKERS[file.file](fresh)
    fresh.rename(file.path)


def _clip_archive(path: Path, seed: int, **size: int) -> None:
    """A TorchScript archive of half-precision parameters under the official names."""
    import clip.model

    class Shell(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    network = clip.model.CLIP(image_resolution=224, context_length=77, vocab_size=49408, **size)
    root = Shell()
    for name, value in filled(network, seed, gain=1.6).half().state_dict().items():
        *parents, last = name.split(".")
        place: nn.Module = root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, Shell())
            place = getattr(place, parent)
        place.register_parameter(last, nn.Parameter(value.clone(), requires_grad=False))
    torch.jit.trace(root, torch.zeros(1), check_trace=False).save(str(path))


def _clip_b32(path: Path) -> None:
    vision = {"vision_layers": 12, "vision_width": 768, "vision_patch_size": 32}
    text = {"transformer_width": 512, "transformer_heads": 8, "transformer_layers": 12}
    _clip_archive(path, 1, embed_dim=512, **vision, **text)


def _clip_l14(path: Path) -> None:
    vision = {"vision_layers": 24, "vision_width": 1024, "vision_patch_size": 14}
    text = {"transformer_width": 768, "transformer_heads": 12, "transformer_layers": 12}
    _clip_archive(path, 2, embed_dim=768, **vision, **text)


def _aesthetic_head(path: Path) -> None:
    weight = torch.randn(1, 768, generator=torch.Generator().manual_seed(3))
    torch.save({"weight": weight, "bias": torch.tensor([5.0])}, path)


def _musiq(path: Path) -> None:
    from pyiqa.archs.musiq_arch import MUSIQ

    network: Any = filled(MUSIQ(pretrained=False), 4)
    with torch.no_grad():
        network.head.weight.mul_(12.0)
        network.head.bias.fill_(50.0)
    torch.save(network.state_dict(), path)


def _amt(path: Path) -> None:
    model = importlib.import_module("vbench.third_party.amt.networks.AMT-S").Model
    torch.manual_seed(5)
    network = model(corr_radius=3, corr_lvls=4, num_flows=3)
    torch.save({"state_dict": network.state_dict()}, path)


def _raft(path: Path) -> None:
    from easydict import EasyDict
    from vbench.third_party.RAFT.core.raft import RAFT

    torch.manual_seed(6)
    network = RAFT(EasyDict(small=False, mixed_precision=False, alternate_corr=False))
    with torch.no_grad():
        network.update_block.flow_head.conv2.weight.mul_(0.5)
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)


def _vit(name: str, seed: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import timm

        network = timm.create_model(name, pretrained=False, num_classes=0)
        torch.save(filled(network, seed, gain=1.6).state_dict(), path)

    return make


def _viclip(path: Path) -> None:
    from eval.vbench_long.networks.viclip import provide_vocabulary

    provide_vocabulary()
    from vbench.third_party.ViCLIP.viclip import ViCLIP

    with without_side_effects():
        network = ViCLIP(pretrain="")
    torch.save({"model": filled(network, 12, gain=1.3).state_dict()}, path)


def _clip_as_dino(seed: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        from dreamsim.feature_extraction.vision_transformer import vit_base

        network = vit_base(patch_size=16)
        network.pos_drop = nn.LayerNorm(768)
        state = filled(network, seed, gain=1.6).state_dict()
        generator = torch.Generator().manual_seed(seed)
        state["proj"] = torch.randn(768, 512, generator=generator) / math.sqrt(768)
        torch.save({"state_dict": state}, path)

    return make


def _lora(path: Path) -> None:
    """Low-rank updates of all qkv layers, in the file and under the names that peft writes."""
    state = {}
    for place in range(3):
        for block in range(12):
            name = f"base_model.model.extractor_list.{place}.model.blocks.{block}.attn.qkv"
            generator = torch.Generator().manual_seed(100 * place + block)
            state[f"{name}.lora_A.weight"] = torch.randn(16, 768, generator=generator) / 28
            state[f"{name}.lora_B.weight"] = torch.randn(2304, 16, generator=generator) / 4
    torch.save(state, path)


def _lora_config(path: Path) -> None:
    settings = {"r": 16, "lora_alpha": 0.5, "lora_dropout": 0.3, "bias": "none"}
    settings |= {"target_modules": ["qkv"], "peft_type": "LORA", "inference_mode": True}
    path.write_text(json.dumps(settings))


_MAKERS: dict[str, Callable[[Path], None]] = {
    layout.CLIP_B32.file: _clip_b32,
    layout.CLIP_L14.file: _clip_l14,
    layout.AESTHETIC_HEAD.file: _aesthetic_head,
    layout.MUSIQ_SPAQ.file: _musiq,
    layout.AMT_S.file: _amt,
    layout.RAFT_THINGS.file: _raft,
    layout.VICLIP.file: _viclip,
    layout.DINO_B16.file: _vit("vit_base_patch16_224", 7),
    layout.DINOV2_B14.file: _vit("vit_base_patch14_dinov2", 8),
    layout.DREAMSIM_CLIP.file: _clip_as_dino(20),
    layout.DREAMSIM_OPEN_CLIP.file: _clip_as_dino(21),
    layout.DREAMSIM_LORA.file: _lora,
    layout.DREAMSIM_LORA_CONFIG.file: _lora_config,
}
