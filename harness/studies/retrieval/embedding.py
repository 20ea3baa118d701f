"""Descriptors of whole videos, for encoders of latents, of decoded frames and of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.engine.noise import SeededNoise
from backbones.engine.rollout import Rollout
from backbones.street.backbone import shipped_trainings
from harness.config.sweep import load_sweep
from harness.store.units import build_backbone
from methods.encoders import base as encoders
from methods.encoders.base import Source, check_descriptors
from methods.sliding_window import SlidingWindow

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from harness.studies.retrieval.choices import EncoderChoice
    from harness.studies.retrieval.videos import RetrievalVideo
    from methods.base import BlockView


def embedded_backbone(label: str) -> Backbone | None:
    """Load the embedded backbone of a label, arguments included; None for any other backbone."""
    name, *arguments = label.split(" ")
    if name not in shipped_trainings():
        return None
    overrides = [f"backbone={name}", *(f"backbone.{argument}" for argument in arguments)]
    (row,) = load_sweep(overrides).rows
    return build_backbone(row.backbone.target, row.backbone.args).load(torch.device("cpu"), [])


def embed(video: RetrievalVideo, choice: EncoderChoice, keys_of: Backbone | None) -> np.ndarray:
    """Return unit vectors (frame, dim), one per latent frame of a video.

    Args:
        video: the video.
        choice: the encoder.
        keys_of: backbone whose keys an encoder of keys is given; unused by the others.

    Raises:
        LongtakeError: descriptors that are not finite, or not of unit length.
    """
    _, channels, height, width = video.latents_NCHW.shape
    choice.encoder.prepare((channels, height, width))
    inputs: Tensor
    if choice.source is Source.latents:
        inputs = video.latents_NCHW
    elif choice.source is Source.frames:
        inputs = torch.from_numpy(video.frames_NHWC)
    else:
        assert keys_of is not None
        inputs = mean_keys(video, keys_of)
    descriptors = encoders.embed(choice.encoder, inputs).cpu()
    check_descriptors(descriptors, f"{choice.text} on {video.name}")
    return descriptors.numpy()


def mean_keys(video: RetrievalVideo, backbone: Backbone) -> Float[Tensor, "frame layer channel"]:
    """Return the mean keys of a video's frames, from clean passes over its latents."""
    assert video.prompt is not None
    num_latents = len(video.latents_NCHW)
    # The engine rolls out whole blocks: repeat the last frame to fill the last one, then drop it.
    fill = video.latents_NCHW[-1:].expand(-num_latents % backbone.spec.block_latents, -1, -1, -1)
    given = torch.cat([video.latents_NCHW, fill])
    recorder = _KeyRecorder()
    noise = SeededNoise(0, str(video.prompt))  # is not looked at: all latents are given
    rollout = Rollout(backbone, recorder, video.prompt, noise, len(given), seed=0)
    for _ in rollout.blocks(given):
        pass
    return torch.cat(recorder.keys)[:num_latents]


class _KeyRecorder(SlidingWindow):
    """A sliding window that keeps the mean keys of every frame it observes."""

    needs_model = True

    def attach(self, view: BlockView) -> None:
        self._view = view
        self.keys: list[Tensor] = []

    def observe(self, latents: Tensor, first_frame: int) -> None:
        self.keys.append(self._view.mean_keys())
