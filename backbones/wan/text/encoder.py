"""UMT5 from the package transformers, under the parameter names of Wan's file.

Letters: T token, E channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from backbones.engine.weights import (
    describe,
    is_state_dict,
    load_strictly,
    read_checkpoint,
    unfilled,
)
from backbones.wan.text.config import TextEncoderConfig
from backbones.wan.text.extra import import_extra
from harness.core.errors import MissingWeights

if TYPE_CHECKING:
    from pathlib import Path


class WanTextEncoder(nn.Module):
    """The encoder; its state dict has the names of `models_t5_umt5-xxl-enc-bf16.pth`.

    It computes in the number format of its weights.

    Raises:
        ConfigError: transformers is not installed.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        transformers = import_extra("transformers")
        self._names = dict(_names(config))
        self._umt5 = transformers.UMT5EncoderModel(
            transformers.UMT5Config(
                vocab_size=config.vocab_size,
                d_model=config.dim,
                d_kv=config.head_dim,
                d_ff=config.ffn_dim,
                num_layers=config.num_layers,
                num_heads=config.num_heads,
                relative_attention_num_buckets=config.num_buckets,
                relative_attention_max_distance=128,
                feed_forward_proj="gated-gelu",
                layer_norm_epsilon=1e-6,
                dropout_rate=0.0,
            )
        )
        # One token embedding instead of two equal ones.
        self._umt5.set_input_embeddings(self._umt5.shared)
        self.register_state_dict_post_hook(_to_wan_names)
        self.register_load_state_dict_pre_hook(_from_wan_names)

    def forward(self, ids_T: Int[Tensor, " token"]) -> Float[Tensor, "token chan"]:
        # One prompt at a time and without padding, which would be masked out and change nothing.
        return self._umt5(input_ids=ids_T[None]).last_hidden_state[0]


def load_text_encoder(
    path: Path, config: TextEncoderConfig, device: torch.device
) -> WanTextEncoder:
    """Return the encoder of a weights file, in the file's number format.

    On the CPU its weights stay mapped from the file, so several processes share them.

    Raises:
        MissingWeights: the file is truncated, no state dict, or not of this encoder.
    """
    with unfilled():
        encoder = WanTextEncoder(config)
    tensors = read_checkpoint(path)
    if not is_state_dict(tensors):
        raise MissingWeights(f"{path.name} is not a text encoder; it holds {describe(tensors)}.")
    load_strictly(encoder, tensors, path.name)
    return encoder.eval().requires_grad_(False).to(device)


def _names(config: TextEncoderConfig) -> Iterator[tuple[str, str]]:
    """Return pairs of Wan's name and that of transformers, for every weight in the file."""
    yield "token_embedding.weight", "shared.weight"
    for index in range(config.num_layers):
        wan, attention, feed_forward = (
            f"blocks.{index}",
            f"encoder.block.{index}.layer.0",
            f"encoder.block.{index}.layer.1",
        )
        yield f"{wan}.norm1.weight", f"{attention}.layer_norm.weight"
        for projection in "qkvo":
            yield (
                f"{wan}.attn.{projection}.weight",
                f"{attention}.SelfAttention.{projection}.weight",
            )
        yield (
            f"{wan}.pos_embedding.embedding.weight",
            f"{attention}.SelfAttention.relative_attention_bias.weight",
        )
        yield f"{wan}.norm2.weight", f"{feed_forward}.layer_norm.weight"
        yield f"{wan}.ffn.gate.0.weight", f"{feed_forward}.DenseReluDense.wi_0.weight"
        yield f"{wan}.ffn.fc1.weight", f"{feed_forward}.DenseReluDense.wi_1.weight"
        yield f"{wan}.ffn.fc2.weight", f"{feed_forward}.DenseReluDense.wo.weight"
    yield "norm.weight", "encoder.final_layer_norm.weight"


def _to_wan_names(
    encoder: nn.Module, state: dict[str, Tensor], prefix: str, _metadata: Any
) -> None:
    assert isinstance(encoder, WanTextEncoder) and not prefix
    renamed = {wan: state[f"_umt5.{name}"] for wan, name in encoder._names.items()}
    state.clear()
    state.update(renamed)


def _from_wan_names(
    encoder: nn.Module, state: dict[str, Tensor], prefix: str, *_unused: Any
) -> None:
    assert isinstance(encoder, WanTextEncoder) and not prefix
    for wan, name in encoder._names.items():
        state[f"_umt5.{name}"] = state.pop(wan)
    state["_umt5.encoder.embed_tokens.weight"] = state["_umt5.shared.weight"]
