"""DreamSim (Fu et al., 2023), the ensemble of three networks: the background from clip to clip."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import (
    IMAGENET,
    OPENAI_CLIP,
    TorchNetwork,
    batch_size,
    features,
    ready,
)
from eval.networks.weights import read_state
from eval.vbench_long.layout import (
    DINO_B16,
    DREAMSIM_CLIP,
    DREAMSIM_LORA,
    DREAMSIM_LORA_CONFIG,
    DREAMSIM_OPEN_CLIP,
)
from eval.vbench_long.networks.dino import load_dino
from eval.vbench_long.networks.transforms import dreamsim_input
from harness.core.machine import give_memory_back
from harness.core.typed_files import from_json

if TYPE_CHECKING:
    from torch import Tensor, nn

_LORA_KEY = re.compile(r"extractor_list\.(\d)\.model\.(.+)\.lora_([AB])\.weight$")


@dataclass(frozen=True)
class _LoraConfig:
    """Fields of adapter_config.json that are needed."""

    r: int
    lora_alpha: float


class DreamSim(TorchNetwork):
    """Joined embeddings of DINO, CLIP and OpenCLIP, less their mean, unit length: (frame, 1792).

    The low-rank updates (LoRA) are added to the weights once; the package applies them to every
    image.
    """

    name = "dreamsim_ensemble"
    size_mib = 1000
    packages = ("torchvision", "dreamsim")
    files = (DINO_B16, DREAMSIM_CLIP, DREAMSIM_OPEN_CLIP, DREAMSIM_LORA, DREAMSIM_LORA_CONFIG)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        from dreamsim.feature_extraction.load_clip_as_dino import load_clip_as_dino
        from dreamsim.feature_extraction.load_open_clip_as_dino import load_open_clip_as_dino

        folder = str(DREAMSIM_CLIP.path.parent)
        dino = load_dino()
        clip_vision, clip_projection = load_clip_as_dino(16, folder)
        give_memory_back()  # the package reads the whole file into memory
        open_vision, open_projection = load_open_clip_as_dino(16, folder)
        give_memory_back()
        _add_updates([dino, clip_vision, open_vision])
        for network in (dino, clip_vision, open_vision):
            ready(network, device)
        projections = clip_projection.to(device), open_projection.to(device)
        size = batch_size(device, on_cpu=4, on_gpu=32)

        def embed(images_FCHW: Tensor) -> Tensor:
            import torch
            from torch.nn import functional
            from torchvision.transforms.functional import normalize

            natural = normalize(images_FCHW, *map(list, IMAGENET))
            other = normalize(images_FCHW, *map(list, OPENAI_CLIP))
            parts = [
                _last_block(dino, natural),
                clip_vision(other) @ projections[0],
                open_vision(other) @ projections[1],
            ]
            joined_FD = torch.cat(parts, dim=-1)
            centred_FD = joined_FD - joined_FD.mean(dim=1, keepdim=True)
            unit: Tensor = functional.normalize(centred_FD / centred_FD.norm(dim=1, keepdim=True))
            return unit

        return partial(features, size=size, device=device, prepare=dreamsim_input, network=embed)


def _last_block(dino: Any, images_FCHW: Tensor) -> Tensor:
    """Return the CLS token of the last block, before the norm."""
    tokens_FND = dino.prepare_tokens(images_FCHW)
    for block in dino.blocks:
        tokens_FND = block(tokens_FND)
    cls_FD: Tensor = tokens_FND[:, 0]
    return cls_FD


def _add_updates(networks: list[nn.Module]) -> None:
    """Add scale * B A of each low-rank pair to the weight it belongs to."""
    path = DREAMSIM_LORA_CONFIG.path
    config = from_json(path.read_bytes(), _LoraConfig, str(path))
    scale = config.lora_alpha / config.r
    pairs: dict[tuple[int, str], dict[str, Tensor]] = {}
    for key, value in read_state(DREAMSIM_LORA.path).items():
        found = _LORA_KEY.search(key)
        if found is None:
            raise ValueError(f"{key} is not a low-rank update of one of the three networks")
        place, module, half = found.groups()
        pairs.setdefault((int(place), module), {})[half] = value
    for (place, module), pair in pairs.items():
        weight: Any = networks[place].get_submodule(module).weight
        weight.data += scale * (pair["B"].float() @ pair["A"].float())


DREAMSIM = DreamSim()
