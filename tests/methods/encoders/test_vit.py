"""The Vision Transformer against torch's own layers, on seeded weights in the released layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.core.errors import LongtakeError
from methods.encoders.dino import Dino
from methods.encoders.vit import VisionTransformer, vit_weights

DIM, PATCH, SIDE, DEPTH = 128, 14, 4, 2


def weights(layout: str) -> dict[str, torch.Tensor]:
    """Seeded weights: dino (2021), dinov2 with registers, or timm with registers."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=generator)

    positions = SIDE * SIDE + (layout != "timm")
    tensors = {
        "cls_token": draw(1, 1, DIM),
        "pos_embed": draw(1, positions, DIM),
        "patch_embed.proj.weight": draw(DIM, 3, PATCH, PATCH),
        "patch_embed.proj.bias": draw(DIM),
        "norm.weight": 1 + draw(DIM),
        "norm.bias": draw(DIM),
    }
    for number in range(DEPTH):
        block = f"blocks.{number}"
        for norm in ("norm1", "norm2"):
            tensors[f"{block}.{norm}.weight"] = 1 + draw(DIM)
            tensors[f"{block}.{norm}.bias"] = draw(DIM)
        for name, rows, columns in (
            ("attn.qkv", 3 * DIM, DIM),
            ("attn.proj", DIM, DIM),
            ("mlp.fc1", 4 * DIM, DIM),
            ("mlp.fc2", DIM, 4 * DIM),
        ):
            tensors[f"{block}.{name}.weight"] = draw(rows, columns)
            tensors[f"{block}.{name}.bias"] = draw(rows)
        if layout != "dino":
            tensors[f"{block}.ls1.gamma"] = torch.ones(DIM)
            tensors[f"{block}.ls2.gamma"] = torch.ones(DIM)
    if layout == "dinov2":
        tensors |= {"register_tokens": draw(1, 4, DIM), "mask_token": draw(1, DIM)}
    if layout == "timm":
        tensors |= {"reg_token": draw(1, 4, DIM)}
    return tensors


def reference(tensors: dict[str, torch.Tensor], images: torch.Tensor, layout: str) -> torch.Tensor:
    """The same function out of torch.nn.TransformerEncoderLayer."""
    patches = nn.functional.conv2d(
        images, tensors["patch_embed.proj.weight"], tensors["patch_embed.proj.bias"], PATCH
    )
    x = patches.flatten(2).transpose(1, 2)
    cls = tensors["cls_token"].expand(len(images), -1, -1)
    if layout == "timm":
        x = x + tensors["pos_embed"]
    else:
        cls, x = cls + tensors["pos_embed"][:, :1], x + tensors["pos_embed"][:, 1:]
    registers = tensors.get("register_tokens", tensors.get("reg_token", torch.zeros(1, 0, DIM)))
    x = torch.cat([cls, registers.expand(len(images), -1, -1), x], dim=1)
    for number in range(DEPTH):
        layer = nn.TransformerEncoderLayer(
            DIM, DIM // 64, 4 * DIM, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        ).eval()
        own = {k.removeprefix(f"blocks.{number}."): v for k, v in tensors.items()}
        layer.load_state_dict(
            {
                "self_attn.in_proj_weight": own["attn.qkv.weight"],
                "self_attn.in_proj_bias": own["attn.qkv.bias"],
                "self_attn.out_proj.weight": own["attn.proj.weight"],
                "self_attn.out_proj.bias": own["attn.proj.bias"],
                "linear1.weight": own["mlp.fc1.weight"],
                "linear1.bias": own["mlp.fc1.bias"],
                "linear2.weight": own["mlp.fc2.weight"],
                "linear2.bias": own["mlp.fc2.bias"],
                **{k: own[k] for k in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")},
            }
        )
        x = layer(x)
    return nn.functional.layer_norm(
        x[:, 0], (DIM,), tensors["norm.weight"], tensors["norm.bias"], 1e-6
    )


@pytest.mark.parametrize("layout", ["dino", "dinov2", "timm"])
def test_every_layout_computes_what_torch_layers_compute(layout: str) -> None:
    tensors = weights(layout)
    images = torch.randn(2, 3, SIDE * PATCH, SIDE * PATCH)
    with torch.inference_mode():
        found = VisionTransformer(vit_weights(tensors))(images)
        expected = reference(tensors, images, layout)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)


def test_wrapped_and_prefixed_checkpoints_are_unwrapped(tmp_path: Path) -> None:
    tensors = weights("dino")
    wrapped = {f"module.backbone.{key}": value for key, value in tensors.items()}
    wrapped["module.head.weight"] = torch.zeros(3)
    torch.save({"teacher": wrapped, "epoch": 3}, tmp_path / "wrapped.pth")
    save_file(tensors, tmp_path / "plain.safetensors")
    frames = torch.randint(256, (2, 40, 60, 3), dtype=torch.uint8)
    one, two = (Dino(str(tmp_path / name)) for name in ("wrapped.pth", "plain.safetensors"))
    assert torch.equal(one.embed(frames), two.embed(frames))
    torch.testing.assert_close(one.embed(frames).norm(dim=1), torch.ones(2))


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(LongtakeError, match="not the weights of a DINO"):
        Dino(str(path))
    lacking = weights("dino")
    del lacking["blocks.1.attn.proj.bias"]
    torch.save(lacking, path)
    with pytest.raises(LongtakeError, match=r"blocks.1.attn.proj.bias"):
        Dino(str(path))
    path.write_bytes(b"no pickle")
    with pytest.raises(LongtakeError, match="can't be read"):
        Dino(str(path))
