"""Videos for the retrieval benchmark, with ground truth for frames that show the same.

Letters: N latent frame, F video frame, H height, W width, C channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from backbones.engine.pixels import to_pixels
from backbones.engine.script import Script, Switch
from backbones.street.encoder import load_encoder
from backbones.world.street.actors import SIDE_PX
from backbones.world.street.render import render_frames
from backbones.world.street.scene import draw_street
from backbones.world.street.script import BLOCK_LATENTS, FRAMES_PER_LATENT
from backbones.world.street.script import Script as Walk
from backbones.world.street.walks import make_turns

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RetrievalVideo:
    """One video to search in.

    Attributes:
        name: name in pictures and tables.
        kind: street, rollouts, shots or pan; results are averaged within a kind.
        latents_NCHW: latent frames.
        frames_NHWC: the last video frame of each latent frame, RGB uint8.
        gains: similarity of each pair of frames (N, N), 0..1, by subject: "place", "next", "shot"
            or "view"; empty without ground truth. A line per query.
        prompt: prompt or script of an embedded backbone, needed to read keys; None for others.
        backbone: label of the backbone that made the video, whose keys are read.
    """

    name: str
    kind: str
    latents_NCHW: Tensor
    frames_NHWC: np.ndarray
    gains: Mapping[str, np.ndarray] = field(default_factory=dict)
    prompt: Script | str | None = None
    backbone: str = ""


def street_videos(count: int, num_latents: int, seed: int) -> list[RetrievalVideo]:
    """Render walks with turns along the street, with exact ground truth.

    Gains: `place`, the share of the picture that two frames have in common; `next`, the share that
    a candidate has in common with the last frame of the block after the query.

    Args:
        count: videos.
        num_latents: latent frames of each.
        seed: seed of the scripts and, plus the index, of the streets.
    """
    encode = load_encoder()
    videos = []
    for index, segments in enumerate(make_turns(count, seed)):
        whole = Walk.of_segments([(one.seconds, one.prompt) for one in segments])
        blocks = -(-num_latents // BLOCK_LATENTS)
        walk = Walk((*whole.shots[:-1], replace(whole.shots[-1], num_blocks=blocks)))
        frames_F = torch.arange(FRAMES_PER_LATENT * (num_latents - 1) + 1)
        video = render_frames(draw_street(walk.num_figures, seed + index), walk, frames_F)
        place_NN = _shared(walk, num_latents)
        ends_N = np.minimum(np.arange(num_latents) + BLOCK_LATENTS, num_latents - 1)
        videos.append(
            RetrievalVideo(
                name=f"street {index:02d} {segments[0].prompt}",
                kind="street",
                latents_NCHW=encode(video),
                frames_NHWC=to_pixels(video[::FRAMES_PER_LATENT]).numpy(),
                gains={"place": place_NN, "next": place_NN[ends_N]},
                prompt=Script(segments, Switch.keep),
                backbone="street",
            )
        )
    return videos


def _shared(walk: Walk, num_latents: int) -> np.ndarray:
    """Return the share of the picture that each pair of latent frames has in common."""
    frames = slice(0, FRAMES_PER_LATENT * num_latents, FRAMES_PER_LATENT)
    place_N, tilt_N = walk.path.x_px[frames].numpy(), walk.path.tilt_px[frames].numpy()
    apart_NN = np.abs(np.subtract.outer(place_N, place_N)) % walk.lap_px
    apart_NN = np.minimum(apart_NN, walk.lap_px - apart_NN)
    raised_NN = np.abs(np.subtract.outer(tilt_N, tilt_N))
    shared_NN = (1 - apart_NN / SIDE_PX).clip(0) * (1 - raised_NN / SIDE_PX).clip(0)
    return shared_NN.astype(np.float32)
