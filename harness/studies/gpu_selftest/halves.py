"""The two halves of a layer with seeded inputs, for the checks."""

from __future__ import annotations

import torch
from torch import Tensor

from backbones.wan.transformer import CausalWanTransformer, TransformerBlock

PARTS = ("queries", "keys", "values", "keys kept", "layer")


class Halves:
    """One layer with seeded inputs, drawn in float32 so that all devices see the same."""

    def __init__(self, model: object, device: torch.device, tokens: int) -> None:
        assert isinstance(model, CausalWanTransformer)
        self._model, self._layer = model, next(model.layers())
        config = model.config
        dtype = model.patch_embedding.weight.dtype
        generator = torch.Generator().manual_seed(1)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).bfloat16().to(device, dtype)

        self._x_SE = draw(tokens, config.dim)
        self._y_SE = draw(tokens, config.dim)
        self._time_6E = 0.1 * draw(6, config.dim)
        self._text = [draw(config.num_heads, config.text_len, config.head_dim) for _ in range(2)]
        self.keys_HSD = draw(config.num_heads, tokens, config.head_dim)

    def run(self, factors: Tensor, compiled: bool) -> tuple[Tensor, ...]:
        """Return the tensors that `PARTS` names."""
        before, after = TransformerBlock.before_attention, TransformerBlock.after_attention
        if compiled:
            before = torch.compile(before, fullgraph=True, dynamic=False)
            after = torch.compile(after, fullgraph=True, dynamic=False)
        own_keys, own_values = (torch.empty_like(self.keys_HSD) for _ in range(2))
        kept = torch.empty(2, *self.keys_HSD.shape, dtype=own_keys.dtype, device=own_keys.device)
        layer, time = self._layer, self._time_6E
        queries = before(layer, self._x_SE, time, factors, own_keys, own_values, kept)
        keys, values = self._text
        whole = after(layer, self._x_SE, self._y_SE, time, keys, values)
        return queries, own_keys, own_values, kept[0], whole
