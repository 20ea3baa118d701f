"""Amount and smoothness of motion, by optical flow.

Flow is OpenCV's dense inverse search (DIS; Kroeger et al., 2016), which needs no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
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

# Letters: H height, W width, X the two components (x, y) of a flow.

# Flow is computed at no more than this short side: finer detail costs time and hardly changes the
# result.
SHORT_SIDE_PX = 256
FLOW_FPS = 8
TOP_FRACTION = 0.05


def luma_frames(clip: Clip, step: int, needed: int) -> list[np.ndarray]:
    """Return every `step`-th frame as luma, shrunk to a short side of at most 256 pixels.

    Raises:
        MetricUnavailable: fewer than `needed` frames remain.
    """
    frames_FHWC = clip.frames_FHWC[::step]
    if len(frames_FHWC) < needed:
        raise MetricUnavailable(
            f"a clip of {len(clip.frames_FHWC)} frames at {clip.fps} fps is too short for "
            f"optical flow; expected at least {(needed - 1) * step + 1}"
        )
    height, width = frames_FHWC.shape[1:3]
    scale = min(1.0, SHORT_SIDE_PX / min(height, width))
    size = (round(width * scale), round(height * scale))
    lumas = [cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2GRAY) for frame_HWC in frames_FHWC]
    if scale == 1.0:
        return lumas
    return [cv2.resize(luma_HW, size, interpolation=cv2.INTER_AREA) for luma_HW in lumas]


def top_radius(flow_HWX: np.ndarray) -> float:
    """Return the mean length of the longest 5 % of the flow vectors (VBench, dynamic degree)."""
    radii = np.hypot(flow_HWX[..., 0], flow_HWX[..., 1]).ravel()
    count = max(1, int(TOP_FRACTION * radii.size))
    return float(np.partition(radii, -count)[-count:].mean())


class FlowEstimator:
    """Dense optical flow between luma frames."""

    def __init__(self) -> None:
        self._estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, before_HW: np.ndarray, after_HW: np.ndarray) -> np.ndarray:
        """Return the displacement of each pixel of a luma frame: (H, W, 2), in pixels."""
        start_HWX = np.zeros((*before_HW.shape, 2), np.float32)
        return np.asarray(self._estimator.calc(before_HW, after_HW, start_HWX))


class DisFlow:
    """Distance that the fastest pixels move between frames about 1/8 s apart.

    A network in the sense of `eval.network`. Its output is one length per pair of frames, in pixels
    of a video scaled to a short side of 256.
    """

    name = "dis_flow"
    size_mib = 1
    reads_prompt = False

    def check(self) -> None:
        """Need nothing: the flow is part of OpenCV."""

    def key(self, device: str) -> str:
        """Return one key for all devices: the flow is computed on the CPU."""
        return "dis_flow v1"

    def load(self, device: str) -> Callable[[Clip], np.ndarray]:
        """Create the estimator."""
        flow = FlowEstimator()

        def lengths_px(clip: Clip) -> np.ndarray:
            lumas = luma_frames(clip, step=max(1, round(clip.fps / FLOW_FPS)), needed=2)
            radii = [top_radius(flow(before, after)) for before, after in pairwise(lumas)]
            return np.array(radii) * SHORT_SIDE_PX / min(lumas[0].shape)

        return lengths_px


DIS_FLOW = DisFlow()


def motion_px(outputs: Outputs) -> float:
    """Return the motion of a clip: the mean over its pairs of frames.

    Args:
        outputs: of the clip, with that of `DIS_FLOW`.

    Raises:
        MetricUnavailable: the clip is too short for one pair.
    """
    return float(np.mean(outputs[DIS_FLOW]))


class FlowMotion(ClipMean):
    """Amount of motion: flow between frames about 1/8 s apart.

    Read it beside the consistency metrics, which are highest for a frozen video. VBench's dynamic
    degree thresholds the same quantity of another flow network.
    """

    networks = (DIS_FLOW,)
    info = MetricInfo(
        name="flow_motion",
        title="Motion (optical flow)",
        direction=Direction.higher,
        unit="px",
        description=(
            "Mean length of the longest 5 % of the flow vectors between frames about 1/8 s apart, "
            "in pixels of a video scaled to a short side of 256. Shows when a video freezes."
        ),
        heading=Heading.motion,
        kind=Kind.proxy,
        quality=False,
    )

    def measure(self, clip: Clip, outputs: Outputs) -> ClipMeasure:
        """Return the mean over pairs of frames.

        Raises:
            MetricUnavailable: the clip is too short for one pair.
        """
        return ClipMeasure(motion_px(outputs))


class WarpSmoothness(ClipMean):
    """Smoothness of motion: error of predicting each second frame from its two neighbours.

    The form of VBench's motion smoothness, in which a network (AMT) interpolates the left-out
    frame. Here both neighbours are warped half-way along the flow between them and averaged.
    """

    info = MetricInfo(
        name="warp_smoothness",
        title="Warp smoothness",
        direction=Direction.higher,
        unit="share",
        description=(
            "(255 - e) / 255, where e is the mean error of every second frame's luma when it is "
            "predicted from both neighbours by optical flow."
        ),
        heading=Heading.temporal,
        kind=Kind.proxy,
    )

    def setup(self) -> None:
        """Create the flow estimator."""
        self._flow = FlowEstimator()

    def measure(self, clip: Clip) -> ClipMeasure:
        """Return the mean over the left-out frames.

        Raises:
            MetricUnavailable: the clip has fewer than three frames.
        """
        lumas = luma_frames(clip, step=1, needed=3)
        errors = [
            cv2.absdiff(middle, self._midway(before, after)).mean()
            for before, middle, after in zip(lumas[:-2:2], lumas[1:-1:2], lumas[2::2], strict=True)
        ]
        return ClipMeasure((255 - float(np.mean(errors))) / 255)

    def _midway(self, before_HW: np.ndarray, after_HW: np.ndarray) -> np.ndarray:
        """Return the frame between two, both warped along half of the flow between them."""
        half_HWX = self._flow(before_HW, after_HW) / 2
        height, width = before_HW.shape
        x_HW, y_HW = np.meshgrid(
            np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        )

        def sample(image_HW: np.ndarray, sign: int) -> np.ndarray:
            return cv2.remap(
                image_HW,
                x_HW + sign * half_HWX[..., 0],
                y_HW + sign * half_HWX[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )

        return cv2.addWeighted(sample(before_HW, -1), 0.5, sample(after_HW, +1), 0.5, 0)
