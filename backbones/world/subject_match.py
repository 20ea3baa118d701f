"""Search for the subject of a prompt in one frame of the tiny world.

First every position and rotation is tried at half resolution, where the squared difference between
frame and template over the template's silhouette is one convolution. Then Gauss-Newton steps refine
the best few poses at full resolution to a fraction of a pixel. `draw_subject` of the world draws
the template, so on a rendered frame the difference goes to zero.

Shape letters: P pose, H height, W width, C color. A pose is (center x px, center y px, rotation).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from backbones.world.geometry import (
    HEIGHT_PX,
    SUBJECT_RADIUS_PX,
    SubjectPose,
    subject_x_bounds_px,
    subject_y_bounds_px,
)
from backbones.world.grammar import ScenePrompt
from backbones.world.subject import SubjectLook, draw_subject
from backbones.world.subject_region import shape_error
from harness.core.machine import one_thread

_NUM_ROTATIONS = 36
_NUM_CANDIDATES = 3
_REFINE_STEPS = 5
# Pixels with at least this coverage show only the subject, without the background.
_FULLY_COVERED = 0.9
# Finite differences and largest change of one refinement step: x px, y px, rotation rad.
_PROBE = torch.tensor([0.25, 0.25, 0.02])
_LARGEST_STEP = torch.tensor([1.5, 1.5, 0.15])


@dataclass(frozen=True)
class SubjectMatch:
    """The match of a prompt's subject in one frame.

    Attributes:
        center_x_px, center_y_px, rotation_rad: the best pose.
        color_error: mean absolute RGB difference (0..1) between the frame and the drawn subject,
            over the pixels it covers by at least nine tenths.
        shape_error: 1 - IoU of the subject's body in the frame and in the drawing, see
            `backbones.world.subject_region`.
    """

    center_x_px: float
    center_y_px: float
    rotation_rad: float
    color_error: float
    shape_error: float


def match_subject(frame_HWC: np.ndarray, prompt: ScenePrompt) -> SubjectMatch:
    """Find the prompt's subject in a frame (RGB, uint8, 128x128)."""
    # The arrays are too small for several threads, which on busy cores take 100 times longer.
    with one_thread():
        return _match(frame_HWC, prompt)


def _match(frame_HWC: np.ndarray, prompt: ScenePrompt) -> SubjectMatch:
    image = torch.from_numpy(frame_HWC.astype(np.float32) / 255).permute(2, 0, 1)
    look = SubjectLook.of_prompt(prompt)
    poses = _coarse_poses(image, prompt)
    reach_px = math.ceil(SUBJECT_RADIUS_PX[prompt.shape] + 4)
    size_px = 2 * reach_px + 1
    origins = (poses[:, :2].round() - reach_px).clamp(0, HEIGHT_PX - size_px)
    patches = torch.stack(
        [image[:, y : y + size_px, x : x + size_px] for x, y in origins.int().tolist()]
    )
    poses[:, :2] -= origins
    poses, costs = _refine(patches, look, poses)
    best = int(costs.argmin())
    rgb, coverage = _draw(look, poses[best : best + 1], size_px)
    return SubjectMatch(
        center_x_px=float(poses[best, 0] + origins[best, 0]),
        center_y_px=float(poses[best, 1] + origins[best, 1]),
        rotation_rad=float(poses[best, 2]),
        color_error=float(
            (patches[best] - rgb[0]).abs().mean(0)[coverage[0] > _FULLY_COVERED].mean()
        ),
        shape_error=shape_error(
            patches[best].permute(1, 2, 0).numpy(),
            rgb[0].permute(1, 2, 0).numpy(),
            coverage[0].numpy() > 0.5,
            prompt,
            first_row=int(origins[best, 1]),
        ),
    )


def _draw(look: SubjectLook, poses: Tensor, size_px: int) -> tuple[Tensor, Tensor]:
    """Draw the subject at each pose on a square grid from (0, 0): RGB (PCHW), coverage (PHW)."""
    grid_px = torch.arange(size_px).float()
    pose = SubjectPose(*(poses[None, :, index] for index in range(3)))
    rgb, coverage = draw_subject(look, pose, grid_px, grid_px)
    return rgb[0].transpose(0, 1), coverage[0]


@lru_cache(maxsize=16)
def _coarse_kernels(prompt: ScenePrompt) -> tuple[Tensor, Tensor, Tensor]:
    """Build half-resolution templates at all rotations.

    For coverage a, template T and image I, the cost is
    sum(a (I - T)^2) = sum(a I^2) - 2 sum(a T I) + sum(a T^2). The first two sums are a convolution
    of (I, I^2) with the kernel (-2 a T, a); the third is a constant.

    Returns:
        Rotations (rad), kernels (PCHW, channels as above), constants; the last two are divided by
        the area of the silhouette.
    """
    size_px = 4 * math.ceil((SUBJECT_RADIUS_PX[prompt.shape] + 2) / 2)
    rotations = torch.arange(_NUM_ROTATIONS) * (2 * math.pi / _NUM_ROTATIONS)
    center = torch.full_like(rotations, (size_px - 1) / 2)
    poses = torch.stack([center, center, rotations], dim=1)
    rgb, coverage = _draw(SubjectLook.of_prompt(prompt), poses, size_px)
    weight_PHW = functional.avg_pool2d(coverage, 2)
    weighted_PCHW = functional.avg_pool2d(rgb * coverage[:, None], 2)
    area = weight_PHW.sum((1, 2))
    kernels = torch.cat([-2 * weighted_PCHW, weight_PHW[:, None]], dim=1)
    squares = weighted_PCHW**2 / weight_PHW.clamp_min(1e-6)[:, None]
    return rotations, kernels / area[:, None, None, None], squares.sum((1, 2, 3)) / area


def _coarse_poses(image: Float[Tensor, "3 height width"], prompt: ScenePrompt) -> Tensor:
    """Find the best few poses, at different rotations, to about 1 px and 5 degrees."""
    rotations, kernels, constants = _coarse_kernels(prompt)
    half = functional.avg_pool2d(image, 2)
    half = torch.cat([half, (half**2).sum(0, keepdim=True)])
    # Template k covers half-resolution pixels k..k+size-1; its centre is at 2 k + size - 1/2.
    size = kernels.shape[-1]
    (left, right), (top, bottom) = (
        (math.floor((low - size + 0.5) / 2), math.ceil((high - size + 0.5) / 2))
        for low, high in (subject_x_bounds_px(), subject_y_bounds_px(prompt))
    )
    region = half[None, :, top : bottom + size, left : right + size]
    costs_PHW = functional.conv2d(region, kernels)[0] + constants[:, None, None]
    costs_P, places_P = costs_PHW.flatten(1).min(1)
    is_local_best = (costs_P <= costs_P.roll(1)) & (costs_P <= costs_P.roll(-1))
    chosen = costs_P.where(is_local_best, torch.inf).topk(_NUM_CANDIDATES, largest=False)
    picks = chosen.indices[chosen.values.isfinite()]
    columns = costs_PHW.shape[-1]
    x_px = 2 * (left + places_P[picks] % columns) + size - 0.5
    y_px = 2 * (top + places_P[picks] // columns) + size - 0.5
    return torch.stack([x_px, y_px, rotations[picks]], dim=1)


def _refine(
    patches: Float[Tensor, "pose 3 height width"],
    look: SubjectLook,
    poses: Float[Tensor, "pose 3"],
) -> tuple[Tensor, Tensor]:
    """Improve every pose by Gauss-Newton steps; return the best poses seen and their costs."""
    best, best_costs = poses, torch.full((len(poses),), torch.inf)
    for _ in range(_REFINE_STEPS):
        residual, slopes, costs = _residual(patches, look, poses)
        better = costs < best_costs
        best = torch.where(better[:, None], poses, best)
        best_costs = torch.where(better, costs, best_costs)
        normal = slopes @ slopes.transpose(1, 2)
        # Rotating a plain ball changes nothing: without damping the system would be singular.
        damping = torch.diag_embed(0.01 * normal.diagonal(dim1=1, dim2=2) + 1e-3)
        step = torch.linalg.solve(normal + damping, -(slopes @ residual[:, :, None]))[:, :, 0]
        poses = poses + step.clamp(-_LARGEST_STEP, _LARGEST_STEP)
    return best, best_costs


def _residual(
    patches: Float[Tensor, "pose 3 height width"],
    look: SubjectLook,
    poses: Float[Tensor, "pose 3"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the residuals sqrt(coverage) * (frame - drawing), their slopes, and the costs.

    Slopes are by x, y and rotation. The cost of a pose is the mean square over the subject's area.
    Shapes: (P, N), (P, 3, N), (P,).
    """
    probes = torch.cat([torch.zeros(1, 3), torch.diag(_PROBE)])
    tried = (poses[:, None] + probes).flatten(0, 1)
    rgb, coverage = _draw(look, tried, patches.shape[-1])
    difference = patches.repeat_interleave(len(probes), 0) - rgb
    residuals = (difference * coverage.sqrt()[:, None]).view(len(poses), len(probes), -1)
    residual = residuals[:, 0]
    slopes = (residuals[:, 1:] - residuals[:, :1]) / _PROBE[:, None]
    areas = coverage[:: len(probes)].sum((1, 2))
    return residual, slopes, (residual**2).sum(1) / areas
