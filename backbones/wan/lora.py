"""Low-rank adapters (LoRA) as peft saves them, merged into the weights they adapt.

W' = W + alpha / rank * B A (Hu et al., arXiv 2106.09685), in float32, cast afterwards. The public
code leaves them apart and computes both paths in bfloat16; merged weights are rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbones.engine.weights import first_few, read_checkpoint
from backbones.wan.checkpoint import bare_names, kind_of, select
from harness.core.errors import MissingWeights

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor

_DOWN, _UP = "lora_A", "lora_B"
# Endings of a name behind "lora_". "default" is peft's name for the only adapter.
_ENDINGS = ("A.weight", "B.weight", "A.default.weight", "B.default.weight")


@dataclass(frozen=True)
class LoraConfig:
    """Sizes of a released adapter; its file doesn't hold alpha.

    Attributes:
        rank: rank of every adapter.
        alpha: scale, divided by the rank.
    """

    rank: int
    alpha: float


@dataclass(frozen=True)
class Adapter:
    """The two factors of one linear layer: `down` (rank, in), `up` (out, rank)."""

    down: Tensor
    up: Tensor


def read_lora(path: Path, config: LoraConfig) -> dict[str, Adapter]:
    """Return the adapters of a file by the weight they adapt.

    The file holds them under `generator_lora`, or is the bare dict of peft.

    Raises:
        MissingWeights: the file can't be read, holds something else, or has another rank.
    """
    content = read_checkpoint(path)
    tensors = bare_names(select(content, ("generator_lora",), path.name), path.name)
    pairs: dict[str, dict[str, Tensor]] = {}
    strangers = []
    for name, tensor in tensors.items():
        layer, _, rest = name.partition(".lora_")
        if rest not in _ENDINGS:
            strangers.append(name)
            continue
        pairs.setdefault(f"{layer}.weight", {})[f"lora_{rest[0]}"] = tensor
    if strangers:
        raise MissingWeights(
            f"{path.name} is not a LoRA but {kind_of(tensors)}: {first_few(strangers)}."
        )
    if halves := [name for name, pair in pairs.items() if len(pair) != 2]:
        raise MissingWeights(f"{path.name} has half an adapter for {first_few(halves)}.")
    adapters = {name: Adapter(pair[_DOWN], pair[_UP]) for name, pair in pairs.items()}
    _check_rank(adapters, config, path.name)
    return adapters


def _check_rank(adapters: Mapping[str, Adapter], config: LoraConfig, source: str) -> None:
    for name, adapter in adapters.items():
        ranks = {adapter.down.shape[0], adapter.up.shape[-1]}
        if ranks != {config.rank}:
            found = " and ".join(map(str, sorted(ranks)))
            raise MissingWeights(
                f"{source}: the LoRA of {name} has rank {found}, expected {config.rank}."
            )


def merge(
    base: Mapping[str, Tensor],
    adapters: Mapping[str, Adapter],
    config: LoraConfig,
    dtype: torch.dtype,
    source: str,
) -> dict[str, Tensor]:
    """Return the base weights with the adapters added, as `dtype`.

    Args:
        base: weights under the transformer's names, as the file holds them.
        adapters: by the weight they adapt.
        config: rank and alpha.
        dtype: type of the result.
        source: file name of the adapters, for messages.

    Raises:
        MissingWeights: adapters of weights that do not exist or of another shape, or linear layers
            of the transformer's blocks without one.
    """
    if unknown := adapters.keys() - base.keys():
        raise MissingWeights(f"{source} adapts what the base lacks: {first_few(unknown)}.")
    if bare := set(_linear_layers(base)) - adapters.keys():
        raise MissingWeights(f"{source} has no LoRA for {first_few(bare)}.")
    return {
        name: _merged(name, base[name], adapters, config, source).to(dtype, copy=True)
        for name in base
    }


def _linear_layers(base: Mapping[str, Tensor]) -> Iterator[str]:
    """Return the weights of all linear layers inside blocks; released adapters cover them all."""
    for name, tensor in base.items():
        if name.startswith("blocks.") and name.endswith(".weight") and tensor.ndim == 2:
            yield name


def _merged(
    name: str,
    weight: Tensor,
    adapters: Mapping[str, Adapter],
    config: LoraConfig,
    source: str,
) -> Tensor:
    adapter = adapters.get(name)
    if adapter is None:
        return weight
    shape = (adapter.up.shape[0], adapter.down.shape[-1])
    if shape != weight.shape:
        raise MissingWeights(
            f"{source}: the LoRA of {name} is made for shape {shape}, the base has "
            f"{tuple(weight.shape)}."
        )
    change = adapter.up.float() @ adapter.down.float()
    return weight.float() + (config.alpha / config.rank) * change
