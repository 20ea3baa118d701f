"""MUSIQ trained on SPAQ (Ke et al., 2021): technical quality of a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import TorchNetwork, batch_size, batches, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import MUSIQ_SPAQ
from eval.vbench_long.networks.transforms import musiq_input


class Musiq(TorchNetwork):
    """One score per frame, about 0..100: (frame,)."""

    name = "musiq_spaq"
    size_mib = 110
    packages = ("torchvision", "pyiqa")
    files = (MUSIQ_SPAQ,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import torch
        from pyiqa.archs.musiq_arch import MUSIQ

        network = MUSIQ(pretrained=False)
        state = read_state(MUSIQ_SPAQ.path)
        network.load_state_dict(state.get("params", state))
        ready(network, device)
        # On a CPU single frames are twice as fast as batches, measured.
        size = batch_size(device, on_cpu=1, on_gpu=8)

        def rate(clip: Clip) -> np.ndarray:
            parts = [network(musiq_input(f)).flatten() for f in batches(clip, size, device)]
            scores: np.ndarray = torch.cat(parts).double().cpu().numpy()
            return scores

        return rate


MUSIQ_NETWORK = Musiq()
