"""Similarity of frames and prompt by an open_clip model.

Any model of the package open_clip_torch with weights on this machine will do. The default is
OpenAI's ViT-B/32 from the weights of VBench-Long; choose another with
LONGTAKE_OPEN_CLIP=MODEL:FILE, or by a subclass with its own `model` and `weights`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from eval.metric import (
    Clip,
    ClipMean,
    ClipMeasure,
    Direction,
    Heading,
    Kind,
    MetricInfo,
    MetricUnavailable,
    Outputs,
)
from eval.networks.image_features import FRAME_STEP
from eval.networks.torch_network import TorchNetwork, ready
from eval.networks.weights import LayoutFile
from eval.vbench_long.layout import CLIP_B32
from harness.core.errors import ConfigError
from harness.core.torchscript import is_torchscript, read_torchscript

_MODEL = "ViT-B-32-quickgelu"


class _OpenClip(TorchNetwork):
    """The image or the text half of an open_clip model, loaded on its own to save memory."""

    packages = ("open_clip", "torchvision")
    size_mib = 350

    def __init__(self, half: str, model: str, weights: LayoutFile) -> None:
        self.name = f"open_clip_{half} {model}"
        self.files = (weights,)
        self._model = model

    def create(self) -> Any:
        """Return the whole model, of which the caller keeps one half."""
        import open_clip

        if self._model not in open_clip.list_models():
            raise MetricUnavailable(
                f"open_clip knows no model {self._model!r}; `open_clip.list_models()` lists them"
            )
        network = open_clip.create_model(self._model)
        path = self.files[0].path
        if is_torchscript(path):
            state = read_torchscript(path)
            sizes = ("input_resolution", "context_length", "vocab_size")
            floats = {k: v.float() for k, v in state.items() if k not in sizes}
            network.load_state_dict(floats, assign=True)
        else:
            open_clip.load_checkpoint(network, str(path))
        return network


class OpenClipImages(_OpenClip):
    """Embeddings of every fourth frame, unit length: (frame, dim)."""

    frame_step = FRAME_STEP

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import open_clip
        import torch
        from PIL import Image
        from torch.nn import functional

        vision: Any = ready(self.create().visual, device)
        settings = open_clip.transform.PreprocessCfg(**vision.preprocess_cfg)
        prepare = open_clip.transform.image_transform_v2(settings, is_train=False)

        def embed(clip: Clip) -> np.ndarray:
            frames_FHWC = clip.frames_FHWC[:: self.frame_step]
            images = torch.stack([prepare(Image.fromarray(frame)) for frame in frames_FHWC])
            embedded = functional.normalize(vision(images.to(device)), dim=-1)
            unit: np.ndarray = embedded.float().cpu().numpy()
            return unit

        return embed


class OpenClipText(_OpenClip):
    """Embedding of the prompt, unit length: (dim,)."""

    reads_prompt = True

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        import open_clip

        network = self.create()
        del network.visual
        ready(network, device)
        tokenize = open_clip.get_tokenizer(self._model)

        def embed(clip: Clip) -> np.ndarray:
            tokens = tokenize([clip.prompt]).to(device)
            unit: np.ndarray = network.encode_text(tokens, normalize=True)[0].float().cpu().numpy()
            return unit

        return embed


def chosen_networks(
    model: str = _MODEL, own: Path | None = None
) -> tuple[OpenClipImages, OpenClipText]:
    """Return the two halves of the model that LONGTAKE_OPEN_CLIP names, or of this one.

    Args:
        model: its name in open_clip.
        own: its weights; None for OpenAI's ViT-B-32 of the official layout.
    """
    weights = CLIP_B32 if own is None else _own(own)
    if asked := os.environ.get("LONGTAKE_OPEN_CLIP"):
        model, colon, path = asked.partition(":")
        if not colon or not path:
            raise ConfigError(f"LONGTAKE_OPEN_CLIP is {asked!r}; expected MODEL:FILE.")
        weights = _own(Path(path))
    return OpenClipImages("images", model, weights), OpenClipText("text", model, weights)


class TextAlignment(ClipMean):
    """Cosine of frames and evaluation prompt: prompt drift as a curve.

    Clip score: mean over every fourth frame. Not one of VBench's dimensions.
    """

    model: ClassVar[str] = _MODEL
    weights: ClassVar[Path | None] = None  # None: OpenAI's ViT-B-32 of the official layout
    info = MetricInfo(
        name="text_alignment",
        title="Text alignment (open_clip)",
        direction=Direction.higher,
        unit="cosine",
        description="Mean cosine of every fourth frame and the evaluation prompt, by open_clip.",
        heading=Heading.prompt,
        kind=Kind.proxy,
    )

    def __init__(self) -> None:
        self._images, self._text = chosen_networks(self.model, self.weights)
        self.networks = (self._images, self._text)

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the mean cosine over frames.

        Raises:
            MetricUnavailable: the video has no prompt.
        """
        clip.require_prompt()
        images_FD = outputs[self._images].astype(np.float64)
        mean_D = images_FD.mean(axis=0)
        score = float(mean_D @ outputs[self._text].astype(np.float64))
        return ClipMeasure(score, mean_D / np.linalg.norm(mean_D))


def _own(path: Path) -> LayoutFile:
    """Return a user's own file as a file of the layout, which keeps absolute paths as they are."""
    return LayoutFile("", str(path.absolute()), "", address=str(path))
