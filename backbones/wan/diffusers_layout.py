"""Weights of Wan's transformer and VAE as diffusers saves them, under Wan's own names.

The layouts of `WanTransformer3DModel` and `AutoencoderKLWan`: the same tensors under other names,
and a transformer is often a folder of several files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_TRANSFORMER = (
    (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"^condition_embedder\.time_proj", "time_projection.1"),
    (r"^scale_shift_table", "head.modulation"),
    (r"^proj_out", "head.head"),
    (r"\.scale_shift_table", ".modulation"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.to_out\.0\.", ".o."),
    # Between the two kinds of attention; diffusers calls it the second norm.
    (r"\.norm2\.", ".norm3."),
    (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
    (r"\.ffn\.net\.2\.", ".ffn.2."),
)
_VAE = (
    (r"^quant_conv", "conv1"),
    (r"^post_quant_conv", "conv2"),
    (r"\.conv_in\.", ".conv1."),
    (r"\.norm_out\.", ".head.0."),
    (r"\.conv_out\.", ".head.2."),
    (r"\.mid_block\.resnets\.0\.", ".middle.0."),
    (r"\.mid_block\.attentions\.0\.", ".middle.1."),
    (r"\.mid_block\.resnets\.1\.", ".middle.2."),
    (r"\.down_blocks\.", ".downsamples."),
    (r"\.conv_shortcut\.", ".shortcut."),
    (r"(middle|samples)\.(\d+)\.norm1\.", r"\1.\2.residual.0."),
    (r"(middle|samples)\.(\d+)\.conv1\.", r"\1.\2.residual.2."),
    (r"(middle|samples)\.(\d+)\.norm2\.", r"\1.\2.residual.3."),
    (r"(middle|samples)\.(\d+)\.conv2\.", r"\1.\2.residual.6."),
)


def wan_names(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return tensors in the layout of diffusers under Wan's names, and others as they are."""
    if any(name.startswith("condition_embedder.") for name in tensors):
        return {_renamed(name, _TRANSFORMER): tensor for name, tensor in tensors.items()}
    if "post_quant_conv.weight" in tensors:
        # Wan numbers the parts of all upsampling stages in one row: residual blocks, then the step
        # to the next size.
        parts = {name.split(".")[4] for name in tensors if name.startswith("decoder.up_blocks.0.r")}
        return {
            _renamed(_in_a_row(name, len(parts)), _VAE): tensor for name, tensor in tensors.items()
        }
    return tensors


def _in_a_row(name: str, num_resnets: int) -> str:
    match = re.match(r"decoder\.up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.", name)
    if match is None:
        return name
    part = int(match[3]) if match[2] == "resnets" else num_resnets
    place = int(match[1]) * (num_resnets + 1) + part
    return f"decoder.upsamples.{place}.{name[match.end() :]}"


def _renamed(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name
