"""Merging a LoRA, against peft on a small transformer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backbones.engine.weights import load_strictly
from backbones.wan.catalogue import DEBUG
from backbones.wan.lora import LoraConfig, merge, read_lora
from backbones.wan.random_weights import random_tensors
from backbones.wan.transformer import CausalWanTransformer
from harness.core.errors import LongtakeError

CONFIG = LoraConfig(rank=8, alpha=16)


def transformer() -> CausalWanTransformer:
    model = CausalWanTransformer(DEBUG.transformer)
    load_strictly(model, random_tensors(model, 0, torch.float32), "random weights")
    return model


@pytest.fixture(scope="module")
def peft_case() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A LoRA on every linear layer inside blocks: its file as peft saves it, and merged weights."""
    import peft

    model = transformer()
    linears = [
        f"blocks.{name}" for name, m in model.blocks.named_modules() if isinstance(m, nn.Linear)
    ]
    config = peft.LoraConfig(r=CONFIG.rank, lora_alpha=CONFIG.alpha, target_modules=linears)
    adapted = peft.get_peft_model(model, config)
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.1)
    saved = {name: t.clone() for name, t in peft.get_peft_model_state_dict(adapted).items()}
    return saved, adapted.merge_and_unload().state_dict()


def save(folder: Path, content: object) -> Path:
    path = folder / "lora.pt"
    torch.save(content, path)
    return path


def merged(path: Path, config: LoraConfig = CONFIG) -> dict[str, Tensor]:
    base = transformer().state_dict()
    return merge(base, read_lora(path, config), config, torch.float32, path.name)


def test_merged_weights_are_those_of_peft(peft_case, tmp_path: Path) -> None:
    saved, expected = peft_case
    assert all(name.startswith("base_model.model.blocks.") for name in saved)
    ours = merged(save(tmp_path, saved))
    assert ours.keys() == expected.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-6)
    changed = [
        name for name in ours if not torch.equal(ours[name], transformer().state_dict()[name])
    ]
    assert len(changed) == 10 * DEBUG.transformer.num_layers


def test_every_form_of_the_file_is_the_same_adapter(peft_case, tmp_path: Path) -> None:
    saved, _ = peft_case
    bare = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
    named = {name.replace(".weight", ".default.weight"): tensor for name, tensor in saved.items()}
    fsdp = {
        name.replace("blocks.0.", "blocks.0._fsdp_wrapped_module."): tensor
        for name, tensor in saved.items()
    }
    expected = merged(save(tmp_path, saved))
    training = {"generator_lora": saved, "critic_lora": {}, "step": 3000}
    for form in (training, bare, named, fsdp):
        ours = merged(save(tmp_path, form))
        assert all(torch.equal(ours[name], expected[name]) for name in expected)


def test_another_rank_is_refused(peft_case, tmp_path: Path) -> None:
    with pytest.raises(LongtakeError, match=r"lora\.pt: the LoRA of blocks.* rank 8, expected 256"):
        merged(save(tmp_path, peft_case[0]), LoraConfig(rank=256, alpha=256))


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("ffn.2.lora_B", "half an adapter for blocks.0.ffn.2.weight"),
        ("ffn.2.lora_", "no LoRA for blocks.0.ffn.2.weight"),
    ],
)
def test_an_incomplete_file_is_refused(peft_case, tmp_path: Path, drop: str, message: str) -> None:
    kept = {name: tensor for name, tensor in peft_case[0].items() if drop not in name}
    with pytest.raises(LongtakeError, match=message):
        merged(save(tmp_path, kept))


def test_an_adapter_of_another_model_is_refused(peft_case, tmp_path: Path) -> None:
    saved, _ = peft_case
    deeper = {name.replace("blocks.1.", "blocks.31."): tensor for name, tensor in saved.items()}
    with pytest.raises(LongtakeError, match=r"adapts what the base lacks: blocks\.31"):
        merged(save(tmp_path, deeper))
    wider = {
        name: torch.zeros(8, 128) if name.endswith("q.lora_A.weight") else tensor
        for name, tensor in saved.items()
    }
    with pytest.raises(LongtakeError, match=r"shape \(96, 128\), the base has \(96, 96\)"):
        merged(save(tmp_path, wider))


def test_the_error_names_the_content_of_a_file_without_a_lora(tmp_path: Path) -> None:
    state = transformer().state_dict()
    with pytest.raises(LongtakeError, match="not a LoRA but a Wan transformer of 2 layers"):
        read_lora(save(tmp_path, state), CONFIG)
    with pytest.raises(LongtakeError, match="no 'generator_lora'; its entries are generator"):
        read_lora(save(tmp_path, {"generator": state}), CONFIG)
