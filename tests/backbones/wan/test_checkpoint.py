from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backbones.wan.checkpoint import read_generator
from harness.core.errors import LongtakeError

State = dict[str, Tensor]
STATE: State = {
    "patch_embedding.weight": torch.ones(4, 2),
    "blocks.0.self_attn.q.weight": torch.full((4, 4), 2.0),
    "head.modulation": torch.full((1, 2, 4), 3.0),
}


def named(change: Callable[[str], str]) -> State:
    return {change(name): tensor for name, tensor in STATE.items()}


WRAPPED = named(lambda name: f"model.{name}")
FSDP = named(
    lambda name: (
        "_fsdp_wrapped_module.model._fsdp_wrapped_module."
        + name.replace("blocks.0.", "blocks.0._fsdp_wrapped_module.")
    )
)
CRITIC = {"model.x": torch.zeros(1)}
FORMS = {
    "generator": {"generator": WRAPPED},
    "training": {"generator": WRAPPED, "critic": CRITIC, "generator_ema": CRITIC, "step": 700},
    "model": {"model": WRAPPED},
    "fsdp": {"generator": FSDP},
    "bare": STATE,
    "bare wrapped": WRAPPED,
    "gan heads": {"generator": WRAPPED | {"_cls_pred_branch.0.weight": torch.zeros(3)}},
}


def save(folder: Path, content: object) -> Path:
    path = folder / "checkpoint.pt"
    torch.save(content, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_bare_names(tmp_path: Path, form: str) -> None:
    read = read_generator(save(tmp_path, FORMS[form]), "generator", torch.bfloat16)
    assert read.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert read[name].dtype is torch.bfloat16
        assert torch.equal(read[name].float(), tensor)


def test_the_entry_asked_for_is_taken(tmp_path: Path) -> None:
    ema = {f"model.{name}": tensor + 1 for name, tensor in STATE.items()}
    path = save(tmp_path, {"generator": WRAPPED, "generator_ema": ema})
    read = read_generator(path, "generator_ema", torch.float32)
    assert torch.equal(read["head.modulation"], STATE["head.modulation"] + 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"generator_ema": WRAPPED}, "no 'generator'; its entries are generator_ema"),
        (
            {"generator_lora": STATE, "step": 3},
            "no 'generator'; its entries are generator_lora, st",
        ),
        ({"generator": WRAPPED, "discriminator": 1}, "unknown entries: discriminator"),
        ({"generator": {"a": 1}}, "entry 'generator' is not a state dict"),
        ({"generator": {}}, "entry 'generator' is not a state dict"),
        ({"state_dict": STATE}, "not a checkpoint of a generator: the keys state_dict"),
        ([torch.zeros(1)], "not a checkpoint of a generator: a list"),
        ({}, "not a checkpoint of a generator"),
        ({"generator": WRAPPED | STATE}, "holds 'patch_embedding.weight' twice"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(LongtakeError, match=message):
        read_generator(save(tmp_path, content), "generator", torch.float32)
