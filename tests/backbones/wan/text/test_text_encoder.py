from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backbones.engine.weights import load_strictly
from backbones.wan.text.config import UMT5_XXL
from backbones.wan.text.encoder import WanTextEncoder, load_text_encoder
from harness.core.errors import LongtakeError
from tests.backbones.wan.text.support import SMALL, wan_encoder, wan_tensors

CPU = torch.device("cpu")
IDS = [5, 17, 99, 4, 4, 130, 1]


def test_an_encoder_in_wans_layout_equals_wans_definition(tmp_path: Path) -> None:
    tensors = {name: tensor.float() for name, tensor in wan_tensors(SMALL).items()}
    torch.save(tensors, tmp_path / "encoder.pth")
    encoder = load_text_encoder(tmp_path / "encoder.pth", SMALL, CPU)
    expected = wan_encoder(tensors, IDS, SMALL.text_len)
    ours = encoder(torch.tensor(IDS))
    assert float(expected[: len(IDS)].std()) > 0.1
    torch.testing.assert_close(ours.double(), expected[: len(IDS)], atol=1e-5, rtol=1e-5)
    assert not expected[len(IDS) :].any()


def test_the_state_dict_has_the_names_of_the_file_and_round_trips() -> None:
    tensors = wan_tensors(SMALL)
    with torch.device("meta"):
        encoder = WanTextEncoder(SMALL)
    load_strictly(encoder, tensors, "file")
    state = encoder.state_dict()
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[name], tensors[name]) for name in tensors)


def test_the_token_embedding_is_kept_once() -> None:
    encoder = WanTextEncoder(SMALL)
    embeddings = [m for m in encoder.modules() if isinstance(m, torch.nn.Embedding)]
    assert sum(m.num_embeddings == SMALL.vocab_size for m in embeddings) == 1


def test_the_released_size_has_the_weights_of_umt5_xxl() -> None:
    with torch.device("meta"):
        encoder = WanTextEncoder(UMT5_XXL)
    assert len(encoder.state_dict()) == 2 + 24 * 10
    assert encoder.state_dict().keys() == wan_names(24)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 5_680_910_336


def wan_names(num_layers: int) -> set[str]:
    small = {name for name in wan_tensors(SMALL) if not name.startswith("blocks.1.")}
    block = {name.removeprefix("blocks.0.") for name in small if name.startswith("blocks.")}
    return (small - {f"blocks.0.{name}" for name in block}) | {
        f"blocks.{index}.{name}" for index in range(num_layers) for name in block
    }


def drop(tensors: dict[str, Tensor]) -> None:
    del tensors["blocks.1.ffn.gate.0.weight"]


def add(tensors: dict[str, Tensor]) -> None:
    tensors["decoder.norm.weight"] = torch.zeros(3)


def reshape(tensors: dict[str, Tensor]) -> None:
    tensors["blocks.0.pos_embedding.embedding.weight"] = torch.zeros(32, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, "blocks.1.ffn.gate.0.weight is missing"),
        (add, "decoder.norm.weight is unexpected"),
        (
            reshape,
            r"blocks.0.pos_embedding.embedding.weight has shape \(32, 4\), expected \(32, 3\)",
        ),
    ],
)
def test_a_file_of_another_encoder_is_refused_in_the_names_of_the_file(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], None], message: str
) -> None:
    tensors = wan_tensors(SMALL)
    change(tensors)
    torch.save(tensors, tmp_path / "encoder.pth")
    with pytest.raises(LongtakeError, match=message):
        load_text_encoder(tmp_path / "encoder.pth", SMALL, CPU)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"generator": wan_tensors(SMALL)}, tmp_path / "generator.pt")
    with pytest.raises(LongtakeError, match="is not a text encoder; it holds the keys generator"):
        load_text_encoder(tmp_path / "generator.pt", SMALL, CPU)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.pth"
    torch.save(wan_tensors(SMALL), path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(LongtakeError, match=r"encoder\.pth is truncated"):
        load_text_encoder(path, SMALL, CPU)
