"""ViCLIP-L/14 (InternVid; Wang et al., 2023): embeddings of clips and prompts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.clip import Clip
from eval.networks.torch_network import TorchNetwork, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import VICLIP, VICLIP_VOCABULARY
from eval.vbench_long.networks.transforms import clip_input

if TYPE_CHECKING:
    from torch import Tensor

NUM_FRAMES = 8
# The official code takes the prompt from the name of the clips' folder, with the sample's number.
OFFICIAL_SUFFIX = "-0"


def middle_frames(num_frames: int) -> list[int]:
    """Return the middle frames of eight equal intervals; of fewer frames the last is repeated."""
    bounds = np.linspace(0, num_frames, min(NUM_FRAMES, num_frames) + 1).astype(int)
    chosen = [int(low + high - 1) // 2 for low, high in pairwise(bounds)]
    return chosen + [chosen[-1]] * (NUM_FRAMES - len(chosen))


class ViClipVideo(TorchNetwork):
    """Embedding of eight frames, unit length: (768,)."""

    name = "viclip_video"
    size_mib = 1200
    packages = ("torchvision", "vbench", "clip")
    files = (VICLIP,)

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import torch

        provide_vocabulary()
        from vbench.third_party.ViCLIP.viclip_vision import clip_joint_l14

        network = clip_joint_l14(num_frames=NUM_FRAMES, drop_path=0.1, checkpoint_num=0)
        # assign=True uses the mapped weights themselves, which saves a copy of a gigabyte.
        network.load_state_dict(_part("vision_encoder."), assign=True)
        ready(network, device)

        def embed(clip: Clip) -> np.ndarray:
            frames = clip.frames_FHWC[middle_frames(len(clip.frames_FHWC))]
            # Resizing whole numbers rounds and clips them, as the official code does here; for the
            # image networks it resizes floats.
            images = clip_input(torch.from_numpy(frames).permute(0, 3, 1, 2).to(device))
            embedded_1D = network(images.permute(1, 0, 2, 3)[None].contiguous()).float()
            unit: np.ndarray = (
                (embedded_1D / embedded_1D.norm(dim=-1, keepdim=True))[0].cpu().numpy()
            )
            return unit

        return embed


class ViClipText(TorchNetwork):
    """Embeddings of the prompt without and with the official suffix, unit length: (2, 768)."""

    name = "viclip_text"
    size_mib = 500
    packages = ("vbench", "clip")
    files = (VICLIP,)
    reads_prompt = True

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import torch

        provide_vocabulary()
        from vbench.third_party.ViCLIP.viclip_text import clip_text_l14

        network = clip_text_l14(
            pretrained=False, embed_dim=768, context_length=32, vocab_size=49408, checkpoint_num=0
        )
        network.load_state_dict(_part("text_encoder."))
        ready(network, device)

        def embed(clip: Clip) -> np.ndarray:
            texts = (clip.prompt, clip.prompt + OFFICIAL_SUFFIX)
            tokens = [network.tokenize(text, context_length=32).to(device) for text in texts]
            embedded = torch.cat([network(token).float() for token in tokens])
            unit: np.ndarray = (embedded / embedded.norm(dim=-1, keepdim=True)).cpu().numpy()
            return unit

        return embed


def _part(prefix: str) -> dict[str, Tensor]:
    state = read_state(VICLIP.path)["model"]
    return {
        key.removeprefix(prefix): value.float()
        for key, value in state.items()
        if key.startswith(prefix)
    }


def provide_vocabulary() -> Path:
    """Copy the vocabulary to where vbench, on import, expects it and would download it to.

    The package openai-clip contains the same file.
    """
    from clip import simple_tokenizer
    from vbench.utils import CACHE_DIR

    target = Path(CACHE_DIR) / VICLIP_VOCABULARY.file.removeprefix("vbench/")
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(simple_tokenizer.default_bpe(), target)
    return target


VICLIP_VIDEO = ViClipVideo()
VICLIP_TEXT = ViClipText()
