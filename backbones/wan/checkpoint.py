"""Checkpoints of released generators, read under the names of the transformer.

A checkpoint is a bare state dict (that of diffusers too, also as a folder of files), or a dict with
one under `generator`, `generator_ema` or `model` beside the state of training. Names inside may
carry the prefix of the wrapper class (`model.`), of FSDP (`_fsdp_wrapped_module.`, anywhere) and of
peft. An entry that is neither used nor in one of the lists below is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backbones.engine.weights import describe, first_few, is_state_dict, read_checkpoint
from backbones.wan.diffusers_layout import wan_names
from harness.core.errors import MissingWeights

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

# Top-level entries of training checkpoints; all but the one asked for are dropped.
_ENTRIES = frozenset(
    {
        "generator",
        "generator_ema",
        "model",
        "generator_lora",
        "critic",
        "critic_ema",
        "critic_lora",
        "generator_optimizer",
        "critic_optimizer",
        "step",
    }
)
# Heads of the adversarial training variants, which sit on the same wrapper class.
_DROPPED_PREFIXES = ("_cls_pred_branch.", "_register_tokens.", "_gan_ca_blocks.")
_FSDP = "_fsdp_wrapped_module."
_WRAPPER = "model."
_PEFT = "base_model.model."


def read_generator(path: Path, entry: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Return the tensors of a generator under the transformer's names, as `dtype`.

    Args:
        path: the checkpoint.
        entry: `generator` or `generator_ema`; a bare state dict and `model` stand for either.
        dtype: type to cast to; the result no longer depends on the file.

    Raises:
        MissingWeights: the file can't be read, lacks the entry, or has unknown entries.
    """
    tensors = bare_names(open_generator(path, entry), path.name)
    return {name: tensor.to(dtype, copy=True) for name, tensor in tensors.items()}


def open_generator(path: Path, entry: str) -> Mapping[str, Tensor]:
    """Return the tensors of a generator mapped from the file, under its names and types.

    Those of diffusers are renamed.
    """
    return wan_names(select(read_checkpoint(path), (entry, "model"), path.name))


def select(content: Any, entries: tuple[str, ...], source: str) -> Mapping[str, Tensor]:
    """Return the state dict in a checkpoint: the first of `entries` in it, or the whole.

    Raises:
        MissingWeights: no entry is there, one is not a state dict, or others are unknown.
    """
    if isinstance(content, Mapping) and content and is_state_dict(content):
        return content
    if not isinstance(content, Mapping) or not _ENTRIES & content.keys():
        raise MissingWeights(f"{source} is not a checkpoint of a generator: {describe(content)}.")
    if unknown := content.keys() - _ENTRIES:
        raise MissingWeights(f"{source} has unknown entries: {first_few(map(str, unknown))}.")
    found = next((entry for entry in entries if entry in content), None)
    if found is None:
        raise MissingWeights(
            f"{source} has no {entries[0]!r}; its entries are {', '.join(sorted(content))}."
        )
    if not content[found] or not is_state_dict(content[found]):
        raise MissingWeights(f"{source}: its entry {found!r} is not a state dict.")
    return content[found]


def bare_names(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return tensors without the prefixes of wrappers and without parts known to be unused.

    Raises:
        MissingWeights: two tensors have the same name without their prefixes.
    """
    bare: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = name.replace(_FSDP, "").removeprefix(_PEFT).removeprefix(_WRAPPER)
        if short.startswith(_DROPPED_PREFIXES):
            continue
        if short in bare:
            raise MissingWeights(f"{source} holds {short!r} twice, once as {name!r}.")
        bare[short] = tensor
    return bare


def kind_of(tensors: Mapping[str, Tensor]) -> str:
    """Guess what a state dict holds, for a user who mixed up two files."""
    if any(".lora_A." in name for name in tensors):
        return "a LoRA"
    if "patch_embedding.weight" in tensors:
        layers = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
        dim = tensors["patch_embedding.weight"].shape[0]
        return f"a Wan transformer of {layers} layers and dimension {dim}"
    if "decoder.conv1.weight" in tensors:
        return "a video VAE"
    if "token_embedding.weight" in tensors:
        return "a text encoder"
    return "nothing known"
